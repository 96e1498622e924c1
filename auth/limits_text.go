package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// limitField is one field of Limits in the form of a name and a text.
type limitField struct {
	name string
	text func(*Limits) string // "" bounds nothing
	set  func(*Limits, string) error
}

// limitFields are all of them, in the order in which they are written.
var limitFields = []limitField{
	durationField("session", func(l *Limits) *time.Duration { return &l.Session }),
	durationField("idle", func(l *Limits) *time.Duration { return &l.Idle }),
	field("down", func(l *Limits) *int64 { return &l.DownRate }, formatBandwidth, parseBandwidth),
	field("up", func(l *Limits) *int64 { return &l.UpRate }, formatBandwidth, parseBandwidth),
	field("keys", func(l *Limits) *int { return &l.KeyRate }, formatRate, parseRate),
	field("pointer", func(l *Limits) *int { return &l.PointerRate }, formatRate, parseRate),
	field("clipboard_in", func(l *Limits) *int { return &l.ClipboardIn }, formatClipboard, parseClipboard),
	field("clipboard_out", func(l *Limits) *int { return &l.ClipboardOut }, formatClipboard, parseClipboard),
	listField("clipboard_formats", func(l *Limits) *[]string { return &l.ClipboardFormats }, ClipboardFormatNames()),
	listField("encodings", func(l *Limits) *[]string { return &l.Encodings }, EncodingNames()),
	field("quality", func(l *Limits) *Levels { return &l.Quality }, Levels.String, parseLevels),
	field("compression", func(l *Limits) *Levels { return &l.Compression }, Levels.String, parseLevels),
	field("per_user", func(l *Limits) *int { return &l.PerUser }, strconv.Itoa, parseCount),
	field("per_target", func(l *Limits) *int { return &l.PerTarget }, strconv.Itoa, parseCount),
	field("per_address", func(l *Limits) *int { return &l.PerAddress }, strconv.Itoa, parseCount),
	field("busy", func(l *Limits) *BusyAction { return &l.Busy }, BusyAction.String, parseBusy),
	durationField("queue", func(l *Limits) *time.Duration { return &l.QueueTime }),
}

// LimitNames lists the names of limits in texts, in JSON and in YAML.
func LimitNames() []string {
	var names []string
	for _, f := range limitFields {
		names = append(names, f.name)
	}
	return names
}

// EncodingNames lists the names of Limits.Encodings: rfbproto's, in lower case.
func EncodingNames() []string {
	return []string{"raw", "copyrect", "rre", "corre", "hextile", "zlib", "tight", "zlibhex", "trle", "zrle", "zywrle", "jpeg", "h264", "tightpng"}
}

// ClipboardFormatNames lists the names of Limits.ClipboardFormats (rfbproto,
// "Extended Clipboard Pseudo-encoding").
func ClipboardFormatNames() []string { return []string{"text", "rtf", "html", "dib", "files"} }

// Set gives one limit by its name and text: "idle", "15m". Lists are separated
// by commas; "none" is a list that is empty and bounds everything.
//
// Durations are written as 90s, 8h30m or 7d, sizes as 1MiB, 500kB or 4096,
// bandwidths as 5MB/s, 512KiB/s or 10Mbit/s, events as 10/s, levels as 2-7 or
// 5, and actions as refuse, queue, view or replace.
func (l *Limits) Set(name, text string) error {
	i := slices.IndexFunc(limitFields, func(f limitField) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("auth: unknown limit %q (there are: %s)", name, strings.Join(LimitNames(), ", "))
	}
	if err := limitFields[i].set(l, text); err != nil {
		return fmt.Errorf("auth: limit %s: %w", name, err)
	}
	return nil
}

// Validate says which limit cannot be, and why: one that is negative, or larger
// than makes sense, or names what there is not. What Set took is valid.
func (l Limits) Validate() error {
	if err := l.check(); err != nil {
		return fmt.Errorf("auth: limit %w", err)
	}
	return nil
}

func (l Limits) check() error {
	for _, f := range limitFields {
		if text := f.text(&l); text != "" {
			if err := f.set(&Limits{}, text); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	return nil
}

// String writes the limits that bound something, as ParseLimits reads them:
// "session=8h idle=15m down=5MB/s". It is empty if there are none.
func (l Limits) String() string {
	var b strings.Builder
	for _, f := range limitFields {
		if text := f.text(&l); text != "" {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(f.name + "=" + text)
		}
	}
	return b.String()
}

// ParseLimits reads limits that are separated by blanks, as String writes them.
func ParseLimits(text string) (Limits, error) {
	var l Limits
	seen := map[string]bool{}
	for _, one := range strings.Fields(text) {
		name, value, ok := strings.Cut(one, "=")
		if !ok {
			return Limits{}, fmt.Errorf("auth: limit %q: has no =, as in session=8h", one)
		}
		if seen[name] {
			return Limits{}, fmt.Errorf("auth: limit %s: is given twice", name)
		}
		seen[name] = true
		if err := l.Set(name, value); err != nil {
			return Limits{}, err
		}
	}
	return l, nil
}

// MarshalJSON writes an object with a text for each limit that bounds
// something, in an order that is always the same.
func (l Limits) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for _, f := range limitFields {
		if text := f.text(&l); text != "" {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(strconv.AppendQuote(b, f.name), ':')
			b = strconv.AppendQuote(b, text)
		}
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes, and numbers and arrays of
// strings where a person would write them. A name that is unknown is an error:
// a limit that is not understood cannot be kept.
func (l *Limits) UnmarshalJSON(b []byte) error {
	var values map[string]any
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	if err := decoder.Decode(&values); err != nil {
		return errors.New("auth: limits: not an object of limits")
	}
	return l.setAll(values)
}

// UnmarshalYAML reads limits from a map, for a decoder that offers one by
// unmarshal.
func (l *Limits) UnmarshalYAML(unmarshal func(any) error) error {
	var values map[string]any
	if err := unmarshal(&values); err != nil {
		return err
	}
	return l.setAll(values)
}

// MarshalYAML gives the limits as texts by their names.
func (l Limits) MarshalYAML() (any, error) {
	texts := map[string]string{}
	for _, f := range limitFields {
		if text := f.text(&l); text != "" {
			texts[f.name] = text
		}
	}
	return texts, nil
}

func (l *Limits) setAll(values map[string]any) error {
	var read Limits
	for _, name := range sortedKeys(values) {
		text, err := limitText(values[name])
		if err == nil {
			err = read.Set(name, text)
		} else {
			err = fmt.Errorf("auth: limit %s: %w", name, err)
		}
		if err != nil {
			return err
		}
	}
	*l = read
	return nil
}

func sortedKeys(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// limitText is the text of what a JSON or YAML decoder made of a value.
func limitText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case int, int64, uint64:
		return fmt.Sprint(v), nil
	case []any:
		return listText(v)
	}
	return "", errors.New("neither a text nor a whole number nor a list of texts")
}

func listText(list []any) (string, error) {
	if len(list) == 0 {
		return "none", nil
	}
	names := make([]string, len(list))
	for i, one := range list {
		name, ok := one.(string)
		if !ok {
			return "", errors.New("a list of something else than texts")
		}
		names[i] = name
	}
	return strings.Join(names, ","), nil
}

package auth

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a limit may be; larger ones are typing errors.
const (
	maxLimitTime      = 10 * 365 * 24 * time.Hour
	maxLimitRate      = 1_000_000
	maxLimitCount     = 1_000_000
	maxLimitClipboard = 256 << 20
	maxLimitBandwidth = 1 << 40
	maxLevel          = 9 // QualityLevel9, CompressLevel9
)

// field is a field of Limits with a form of its own.
func field[T comparable](name string, at func(*Limits) *T, format func(T) string, parse func(string) (T, error)) limitField {
	var zero T
	return limitField{
		name: name,
		text: func(l *Limits) string {
			if v := *at(l); v != zero {
				return format(v)
			}
			return ""
		},
		set: func(l *Limits, text string) error {
			v, err := parse(strings.TrimSpace(text))
			if err == nil {
				*at(l) = v
			}
			return err
		},
	}
}

func durationField(name string, at func(*Limits) *time.Duration) limitField {
	return field(name, at, formatDuration, parseDuration)
}

// listField is a list of which nil bounds nothing. It is kept in the order of
// known.
func listField(name string, at func(*Limits) *[]string, known []string) limitField {
	return limitField{
		name: name,
		text: func(l *Limits) string {
			switch list := *at(l); {
			case list == nil:
				return ""
			case len(list) == 0:
				return "none"
			default:
				return strings.Join(inOrder(list, known), ",")
			}
		},
		set: func(l *Limits, text string) error {
			names := splitNames(strings.ToLower(text))
			if len(names) == 1 && names[0] == "none" {
				*at(l) = []string{}
				return nil
			}
			for _, one := range names {
				if !slices.Contains(known, one) {
					return fmt.Errorf("unknown name %q (there are: %s; or none)", one, strings.Join(known, ", "))
				}
			}
			if len(names) == 0 {
				return errors.New(`is empty; leave it out to bound nothing, "none" lets none pass`)
			}
			*at(l) = inOrder(names, known)
			return nil
		},
	}
}

// inOrder sorts names as known has them, each once.
func inOrder(names, known []string) []string {
	sorted := slices.Clone(names)
	slices.SortStableFunc(sorted, func(a, b string) int {
		return cmp.Compare(slices.Index(known, a), slices.Index(known, b))
	})
	return slices.Compact(sorted)
}

var days = regexp.MustCompile(`^([0-9]{1,4})d`)

func parseDuration(text string) (time.Duration, error) {
	var d time.Duration
	rest := text
	if m := days.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		d, rest = time.Duration(n)*24*time.Hour, text[len(m[0]):]
	}
	if rest != "" || text == "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 {
			return 0, fmt.Errorf("%q is no duration; write it like 90s, 15m, 8h30m or 7d", text)
		}
		d += min(more, maxLimitTime) // so that the sum is no overflow
	}
	return within(d, time.Millisecond, maxLimitTime)
}

// formatDuration is without the zeros that a Duration's String ends with.
func formatDuration(d time.Duration) string {
	text := ""
	if n := d / (24 * time.Hour); n > 0 {
		text, d = fmt.Sprintf("%dd", n), d%(24*time.Hour)
		if d == 0 {
			return text
		}
	}
	rest := d.String()
	if strings.HasSuffix(rest, "m0s") {
		rest = strings.TrimSuffix(rest, "0s")
	}
	if strings.HasSuffix(rest, "h0m") {
		rest = strings.TrimSuffix(rest, "0m")
	}
	return text + rest
}

// within is n, if a limit may be that; zero bounds nothing and should be left
// out, because people write it to mean "nothing at all" as well.
func within[N int | int64 | time.Duration](n, least, most N) (N, error) {
	switch {
	case n < least:
		return 0, errors.New("must be more than nothing; leave it out to bound nothing")
	case n > most:
		return 0, fmt.Errorf("is more than there can be (%v)", most)
	}
	return n, nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", text)
	}
	return within(n, 1, maxLimitCount)
}

func parseRate(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "/s"))
	if err != nil {
		return 0, fmt.Errorf("%q is no number of events a second; write it like 10/s", text)
	}
	return within(n, 1, maxLimitRate)
}

func formatRate(n int) string { return strconv.Itoa(n) + "/s" }

// units of sizes, the largest first where one can be written in several.
var units = []struct {
	name string
	size int64
}{
	{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}, {"", 1},
}

var bitUnits = []struct {
	name string
	size int64
}{{"Gbit", 1e9 / 8}, {"Mbit", 1e6 / 8}, {"kbit", 1e3 / 8}}

var sizeText = regexp.MustCompile(`^([0-9]{1,15})(?:\.([0-9]{1,3}))? ?([A-Za-z]*)$`)

// ParseSize reads a number of bytes as limits have it: 4096, 500kB, 1MiB.
func ParseSize(text string) (int64, error) { return parseSize(text, false) }

// FormatSize is n as ParseSize reads it.
func FormatSize(n int64) string { return formatSize(n) }

// parseSize reads a number of bytes, with up to three places after the point.
func parseSize(text string, bits bool) (int64, error) {
	m := sizeText.FindStringSubmatch(text)
	if m == nil {
		return 0, errNoSize(text)
	}
	size := int64(0)
	all := units
	if bits {
		all = append(slices.Clone(bitUnits), units...)
	}
	for _, u := range all {
		if m[3] == u.name {
			size = u.size
			break
		}
	}
	if size == 0 {
		return 0, errNoSize(text)
	}
	whole, _ := strconv.ParseInt(m[1], 10, 64)
	if whole > math.MaxInt64/size-1 {
		return 0, errNoSize(text)
	}
	thousandths, _ := strconv.ParseInt((m[2] + "000")[:3], 10, 64)
	return whole*size + thousandths*size/1000, nil
}

func errNoSize(text string) error {
	return fmt.Errorf("%q is no size; write it like 4096, 500kB or 1MiB", text)
}

func formatSize(n int64) string {
	for _, u := range units {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func parseClipboard(text string) (int, error) {
	n, err := parseSize(text, false)
	if err != nil {
		return 0, err
	}
	n, err = within(n, 1, maxLimitClipboard)
	return int(n), err
}

func formatClipboard(n int) string { return formatSize(int64(n)) }

func parseBandwidth(text string) (int64, error) {
	size, ok := strings.CutSuffix(text, "/s")
	n, err := parseSize(size, true)
	if err != nil || !ok {
		return 0, fmt.Errorf("%q is no bandwidth; write it like 5MB/s, 512KiB/s or 10Mbit/s", text)
	}
	return within(n, 1, maxLimitBandwidth)
}

func formatBandwidth(n int64) string { return formatSize(n) + "/s" }

// String writes the levels as a configuration does: "2-7", "5".
func (l Levels) String() string {
	switch {
	case !l.Bound:
		return ""
	case l.Min == l.Max:
		return strconv.Itoa(l.Min)
	}
	return fmt.Sprintf("%d-%d", l.Min, l.Max)
}

func parseLevels(text string) (Levels, error) {
	low, high, many := strings.Cut(text, "-")
	if !many {
		high = low
	}
	first, err1 := strconv.Atoi(low)
	last, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil || first < 0 || last > maxLevel || first > last {
		return Levels{}, fmt.Errorf("%q are no levels; write them like 2-7 or 5, from 0 to 9", text)
	}
	return Levels{Min: first, Max: last, Bound: true}, nil
}

var busyNames = []string{BusyReplace: "replace", BusyView: "view", BusyQueue: "queue", BusyRefuse: "refuse"}

// String names the action as a configuration does.
func (b BusyAction) String() string {
	if b <= BusyUnset || int(b) >= len(busyNames) {
		return ""
	}
	return busyNames[b]
}

func parseBusy(text string) (BusyAction, error) {
	if i := slices.Index(busyNames, text); i > 0 && text != "" {
		return BusyAction(i), nil
	}
	return 0, fmt.Errorf("unknown action %q (there are: refuse, queue, view, replace)", text)
}

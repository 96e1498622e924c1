package main

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"vncgate/auth"
	"vncgate/rfb/display/recording"
)

// recordingsConfig says which sessions are recorded, how, and how long that is
// kept. What a rule says of its own goes before what is said for all.
type recordingsConfig struct {
	Directory  string             `yaml:"directory"`            // with s3: where they are until they have arrived there
	S3         *recordS3Config    `yaml:"s3,omitempty"`         // where they go to once they have ended
	Rules      []recordRuleConfig `yaml:"rules,omitempty"`      // the first that fits decides; default: all are recorded
	Name       string             `yaml:"name,omitempty"`       // of the files; default: {time}-{target}-{user}-{session}
	Room       fileSize           `yaml:"room,omitempty"`       // that all of them may take; default: any
	Over       string             `yaml:"over,omitempty"`       // then: remove (default) the oldest that have ended, or refuse
	Queue      fileSize           `yaml:"queue,omitempty"`      // of one session, that waits to be written; default: 8MiB
	Compress   bool               `yaml:"compress,omitempty"`   // with zstd
	Recipients oneOrMore          `yaml:"recipients,omitempty"` // of age, or files of them: who alone may read recordings
	Key        string             `yaml:"key,omitempty"`        // file: what recordings are signed with; made where there is none
	Workers    int                `yaml:"workers,omitempty"`    // that make keyframes at a time; default: 1

	How recordHow `yaml:",inline"`
}

// recordHow is what can be said for all recordings, and by each rule.
type recordHow struct {
	Keep      days        `yaml:"keep,omitempty"`      // how long they live once they have ended; default: for ever
	Full      string      `yaml:"full,omitempty"`      // where they cannot be written: end (default) the session, or alarm and go on
	Slow      string      `yaml:"slow,omitempty"`      // where the disk does not keep up with queue: the same
	Notice    noticeWords `yaml:"notice,omitempty"`    // true, or words: what our page shows the viewer
	Title     string      `yaml:"title,omitempty"`     // is added to the desktop's name, for native viewers
	Keys      string      `yaml:"keys,omitempty"`      // that are recorded: none (default), all, or marked: all but what 'ctl session-mark' marks
	Clipboard string      `yaml:"clipboard,omitempty"` // record (default), or redact: what it holds is left out
	Regions   oneOrMore   `yaml:"regions,omitempty"`   // of the screen that are black: 200x50+10+20
}

// recordRuleConfig is about the sessions that it fits.
type recordRuleConfig struct {
	Name      string    `yaml:"name,omitempty"`
	Who       oneOrMore `yaml:"who,omitempty"`       // as in policy; default: everybody
	From      oneOrMore `yaml:"from,omitempty"`      // the same; default: everywhere
	Targets   oneOrMore `yaml:"targets,omitempty"`   // the same; default: all
	Listeners oneOrMore `yaml:"listeners,omitempty"` // addresses as in listeners; default: all
	Record    *bool     `yaml:"record,omitempty"`    // default: true

	How recordHow `yaml:",inline"`
}

// noticeWords are words, or true for those of ours.
type noticeWords string

// wordsRecorded are ours.
const wordsRecorded = "This session is recorded."

// UnmarshalYAML takes words or a truth.
func (n *noticeWords) UnmarshalYAML(unmarshal func(any) error) error {
	var yes bool
	if unmarshal(&yes) == nil {
		if *n = ""; yes {
			*n = wordsRecorded
		}
		return nil
	}
	return unmarshal((*string)(n))
}

// What a recording does that cannot go on, and what is done where there is no room.
const (
	recordEnd    = "end"
	recordAlarm  = "alarm"
	overRemove   = "remove"
	overRefuse   = "refuse"
	clipRecord   = "record"
	clipRedact   = "redact"
	keysAll      = "all"
	keysNone     = "none"
	keysMarked   = "marked"
	defaultName  = "{time}-{target}-{user}-{session}"
	leastQueue   = 64 << 10
	mostQueue    = 1 << 30
	leastRoom    = 1 << 20
	maxTitle     = 100
	maxNotice    = 500
	mostWorkers  = 64
	recordingKey = "recording.key"
)

func (r *recordingsConfig) validate() error {
	if r == nil {
		return nil
	}
	switch {
	case r.Directory == "":
		return errors.New("directory is missing; recordings are written there first, wherever they go to")
	case r.Over != "" && r.Over != overRemove && r.Over != overRefuse:
		return fmt.Errorf("over: %w", notOneOf("setting", r.Over, []string{overRemove, overRefuse}))
	case r.Over != "" && r.Room == 0:
		return errors.New("over: says what is done where room is used up, and there is no room; set it, or leave over out")
	case r.Room != 0 && r.Room < leastRoom:
		return errors.New("room: less than a short recording takes; write it like 20GB")
	case r.Queue != 0 && (r.Queue < leastQueue || r.Queue > mostQueue):
		return errors.New("queue: from 64KiB to 1GiB")
	case r.Workers < 0 || r.Workers > mostWorkers:
		return fmt.Errorf("workers: from 1 to %d", mostWorkers)
	}
	if err := checkRecordName(r.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if _, err := r.recipients(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("recipients: %w", err)
	}
	if err := r.S3.validate(r); err != nil {
		return fmt.Errorf("s3: %w", err)
	}
	if err := r.How.validate(); err != nil {
		return err
	}
	for i := range r.Rules {
		if err := r.Rules[i].validate(); err != nil {
			return fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	_, err := r.compile()
	return err
}

func (r *recordRuleConfig) validate() error {
	if !r.records() && !r.How.isZero() {
		return errors.New("record is false, and the rest of the rule says how; leave one of them out")
	}
	return r.How.validate()
}

func (r *recordRuleConfig) records() bool { return r.Record == nil || *r.Record }

func (h *recordHow) isZero() bool {
	return h.Keep == 0 && h.Full == "" && h.Slow == "" && h.Notice == "" && h.Title == "" && h.Keys == "" && h.Clipboard == "" && len(h.Regions) == 0
}

func (h *recordHow) validate() error {
	for _, one := range []struct {
		key, value string
		known      []string
	}{
		{"full", h.Full, []string{recordEnd, recordAlarm}}, {"slow", h.Slow, []string{recordEnd, recordAlarm}},
		{"keys", h.Keys, []string{keysNone, keysAll, keysMarked}}, {"clipboard", h.Clipboard, []string{clipRecord, clipRedact}},
	} {
		if one.value != "" && !slices.Contains(one.known, one.value) {
			return fmt.Errorf("%s: %w", one.key, notOneOf("setting", one.value, one.known))
		}
	}
	switch {
	case h.Keep < 0:
		return errors.New("keep: must not be negative")
	case len(h.Title) > maxTitle:
		return fmt.Errorf("title: longer than %d bytes", maxTitle)
	case len(h.Notice) > maxNotice:
		return fmt.Errorf("notice: longer than %d bytes", maxNotice)
	}
	_, err := h.redact()
	return err
}

// over is h with what it does not say as all has it.
func (h recordHow) over(all recordHow) recordHow {
	for _, one := range []struct{ mine, theirs *string }{
		{&h.Full, &all.Full}, {&h.Slow, &all.Slow}, {&h.Title, &all.Title}, {&h.Keys, &all.Keys}, {&h.Clipboard, &all.Clipboard},
	} {
		if *one.mine == "" {
			*one.mine = *one.theirs
		}
	}
	if h.Keep == 0 {
		h.Keep = all.Keep
	}
	if h.Notice == "" {
		h.Notice = all.Notice
	}
	if len(h.Regions) == 0 {
		h.Regions = all.Regions
	}
	return h
}

// redact is what is left out.
func (h *recordHow) redact() (recording.Redact, error) {
	out := recording.Redact{Keys: recording.KeysNone, Clipboard: h.Clipboard == clipRedact}
	switch h.Keys {
	case keysAll:
		out.Keys = recording.KeysAll
	case keysMarked:
		out.Keys = recording.KeysMarked
	}
	for i, text := range h.Regions {
		region, err := parseRegion(text)
		if err != nil {
			return out, fmt.Errorf("regions[%d]: %w", i, err)
		}
		out.Regions = append(out.Regions, region)
	}
	return out, nil
}

var regionText = regexp.MustCompile(`^([0-9]{1,5})x([0-9]{1,5})\+([0-9]{1,5})\+([0-9]{1,5})$`)

// parseRegion reads 200x50+10+20: width, height, and where it begins.
func parseRegion(text string) (image.Rectangle, error) {
	m := regionText.FindStringSubmatch(text)
	if m == nil {
		return image.Rectangle{}, fmt.Errorf("%q is no region; write WIDTHxHEIGHT+X+Y, such as 200x50+10+20", text)
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // digits, by the pattern
	}
	if n[0] == 0 || n[1] == 0 {
		return image.Rectangle{}, fmt.Errorf("%q is empty", text)
	}
	return image.Rect(n[2], n[3], n[2]+n[0], n[3]+n[1]), nil
}

// recordFields are what names of recordings may hold of their sessions.
var recordFields = []string{"time", "session", "target", "user", "listener", "from"}

var nameField = regexp.MustCompile(`\{([^{}]*)\}`)

// checkRecordName sees to it that files keep apart and stay in their folder.
func checkRecordName(pattern string) error {
	if pattern == "" {
		return nil
	}
	for _, m := range nameField.FindAllStringSubmatch(pattern, -1) {
		if !slices.Contains(recordFields, m[1]) {
			return notOneOf("field", m[1], recordFields)
		}
	}
	rest := nameField.ReplaceAllString(pattern, "")
	switch {
	case !strings.Contains(pattern, "{session}") || !strings.Contains(pattern, "{time}"):
		return errors.New("needs {time} and {session}, which tell one recording from another")
	case len(rest) > 60:
		return errors.New("is too long; at most 60 characters beside the fields")
	case cleanName(rest) != rest:
		return errors.New("only letters, digits, - and _ may stand beside the fields")
	}
	return nil
}

// cleanName leaves of a text what files may be called anywhere.
func cleanName(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '_'
	}, text)
}

// recipients are those who may read recordings; none: they are not encrypted.
func (r *recordingsConfig) recipients() ([]age.Recipient, error) {
	var all []age.Recipient
	for i, text := range r.Recipients {
		in := text
		if strings.ContainsRune(text, filepath.Separator) {
			b, err := os.ReadFile(text)
			if err != nil {
				return nil, err
			}
			in = string(b)
		}
		list, err := age.ParseRecipients(strings.NewReader(in))
		if err != nil {
			return nil, fmt.Errorf("[%d]: %q has no recipient of age (age1…), and is no file of such; 'age-keygen' makes keys", i, text)
		}
		all = append(all, list...)
	}
	return all, nil
}

// keyFile is where the signing key is.
func (r *recordingsConfig) keyFile(c *config) string {
	switch {
	case r.Key != "":
		return r.Key
	case c.Capabilities != nil:
		return filepath.Join(filepath.Dir(c.Capabilities.keyFile()), recordingKey)
	}
	return filepath.Join(r.Directory, recordingKey)
}

// recordRule is a rule that can be followed.
type recordRule struct {
	name      string
	fits      *auth.Policy
	listeners []string
	record    bool
	how       recordHow
	redact    recording.Redact
}

// compile prepares the rules; where there is none, all sessions are recorded.
func (r *recordingsConfig) compile() ([]recordRule, error) {
	list := r.Rules
	if len(list) == 0 {
		list = []recordRuleConfig{{}}
	}
	all := make([]recordRule, len(list))
	for i := range list {
		if err := list[i].compile(&all[i], r.How); err != nil {
			return nil, fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	return all, nil
}

func (r *recordRuleConfig) compile(out *recordRule, all recordHow) (err error) {
	rule := auth.Rule{Name: r.Name, Who: r.Who, From: r.From, Targets: r.Targets, Allow: auth.View}
	if len(rule.Who) == 0 {
		rule.Who = []string{"*"}
	}
	if len(rule.Targets) == 0 {
		rule.Targets = []string{"*"}
	}
	*out = recordRule{name: r.Name, listeners: r.Listeners, record: r.records(), how: r.How.over(all)}
	if out.fits, err = auth.NewPolicy([]auth.Rule{rule}); err != nil {
		return plainRule(err)
	}
	out.redact, err = out.how.redact()
	return err
}

// slowEnds and fullEnds say whether a session ends that can no longer be recorded.
func (r *recordRule) slowEnds() bool { return r.how.Slow != recordAlarm }
func (r *recordRule) fullEnds() bool { return r.how.Full != recordAlarm }

// keepTime is how long its recordings live, where that differs from all.
func (r *recordRule) keepTime(all recordHow) time.Duration {
	if r.how.Keep == all.Keep {
		return 0
	}
	return time.Duration(r.how.Keep)
}

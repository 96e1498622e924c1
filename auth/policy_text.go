package auth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ruleFields are the fields of a rule in text, in the order in which they are
// written. One that is a list is given once for each entry.
var ruleFields = []struct {
	name string
	list func(*Rule) *[]string
	one  func(*Rule) *string
}{
	{name: "name", one: func(r *Rule) *string { return &r.Name }},
	{name: "who", list: func(r *Rule) *[]string { return &r.Who }},
	{name: "method", list: func(r *Rule) *[]string { return &r.Methods }},
	{name: "from", list: func(r *Rule) *[]string { return &r.From }},
	{name: "target", list: func(r *Rule) *[]string { return &r.Targets }},
	{name: "day", list: func(r *Rule) *[]string { return &r.When.Days }},
	{name: "hours", list: func(r *Rule) *[]string { return &r.When.Hours }},
	{name: "zone", one: func(r *Rule) *string { return &r.When.Zone }},
	{name: "if", one: func(r *Rule) *string { return &r.If }},
	{name: "class", one: func(r *Rule) *string { return &r.Class }},
}

// String writes the rule as ParseRule reads it.
func (r Rule) String() string {
	var b strings.Builder
	for _, f := range ruleFields {
		if f.one != nil {
			writeText(&b, f.name, *f.one(&r))
			continue
		}
		for _, entry := range *f.list(&r) {
			writeField(&b, f.name, entry)
		}
	}
	writeText(&b, "allow", r.Allow.String())
	writeText(&b, "deny", r.Deny.String())
	writeText(&b, "limits", r.Limits.String())
	return b.String()
}

// writeText adds a field that is not empty.
func writeText(b *strings.Builder, name, value string) {
	if value != "" {
		writeField(b, name, value)
	}
}

// writeField adds a field, quoted where it must be.
func writeField(b *strings.Builder, name, value string) {
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(name + "=" + quoteWord(value))
}

// ParseRule reads a rule from a line of fields, of which those that are lists
// may come several times:
//
//	name=night who=group:ops who=carol target=lab-* hours=22:00-06:00 zone=Europe/Berlin
//	if="claims.level >= 3" class=bulk allow=view,keyboard deny=bell limits="session=8h idle=15m"
//
// A value with blanks in it stands in quotes as in Go, "…" or `…`. NewPolicy
// checks what the rule means.
func ParseRule(line string) (Rule, error) {
	words, err := splitWords(line, true)
	if err != nil {
		return Rule{}, err
	}
	var r Rule
	seen := map[string]bool{}
	for _, w := range words {
		if w.key == "" {
			return Rule{}, fmt.Errorf("auth: rule: %q has no name, as in target=*", w.value)
		}
		list, err := r.setField(w.key, w.value)
		if err == nil && !list && seen[w.key] {
			err = errors.New("is given twice")
		}
		if err != nil {
			return Rule{}, fmt.Errorf("auth: rule: %s: %w", w.key, err)
		}
		seen[w.key] = true
	}
	return r, nil
}

// setField reports whether the field is a list.
func (r *Rule) setField(name, value string) (list bool, err error) {
	switch name {
	case "allow":
		return false, r.Allow.UnmarshalText([]byte(value))
	case "deny":
		return false, r.Deny.UnmarshalText([]byte(value))
	case "limits":
		r.Limits, err = ParseLimits(value)
		return false, err
	}
	for _, f := range ruleFields {
		switch {
		case f.name != name:
		case f.one != nil:
			*f.one(r) = value
			return false, nil
		default:
			*f.list(r) = append(*f.list(r), value)
			return true, nil
		}
	}
	return false, errors.New("unknown field (there are: name, who, method, from, target, day, hours, zone, if, class, allow, deny, limits)")
}

// ParseRules reads a rule a line; empty lines and those that begin with # are
// left out. Errors name the line.
func ParseRules(text string) ([]Rule, error) {
	var rules []Rule
	number := 0
	for line := range strings.Lines(text) {
		number++
		if isComment(line) {
			continue
		}
		r, err := ParseRule(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func isComment(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, "#")
}

// word is a value of a line, with what stands before its = if that is a name.
type word struct{ key, value string }

// splitWords takes a line apart at its blanks, those in quotes excepted. What
// stands before a = is a key only where words are named.
func splitWords(line string, named bool) ([]word, error) {
	var words []word
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimSpace(rest) {
		var w word
		if name := nameLength(rest); named && name > 0 && strings.HasPrefix(rest[name:], "=") {
			w.key, rest = rest[:name], rest[name+1:]
		}
		quoted, err := strconv.QuotedPrefix(rest)
		switch {
		case err == nil && quoted[0] != '\'':
			rest = rest[len(quoted):]
			if w.value, err = strconv.Unquote(quoted); err != nil || rest != "" && !isBlank(rest[0]) {
				return nil, fmt.Errorf("auth: %s is quoted in a wrong way", quoted)
			}
		case strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "`"):
			return nil, errors.New("auth: a quotation mark is not closed")
		default:
			end := strings.IndexAny(rest, " \t\n\r")
			if end < 0 {
				end = len(rest)
			}
			w.value, rest = rest[:end], rest[end:]
		}
		words = append(words, w)
	}
	return words, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// nameLength is how many bytes at the start are a field's name.
func nameLength(s string) int {
	n := 0
	for n < len(s) && (s[n] >= 'a' && s[n] <= 'z' || s[n] == '_') {
		n++
	}
	return n
}

// quoteWord quotes a value that would not be read back as it is.
func quoteWord(value string) string {
	words, err := splitWords("x="+value, true)
	if err == nil && len(words) == 1 && words[0].value == value && value != "" && strconv.Quote(value) == `"`+value+`"` {
		return value
	}
	return strconv.Quote(value)
}

package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table is rules, and decisions that are expected of them: the form in which
// policies are tested.
type Table struct {
	Rules []Rule
	Cases []Case
}

// Case is one request and what is expected of the decision.
type Case struct {
	Line    int // in the text it was read from
	Request Request
	wants   []want
}

// want is an expectation: a column of the table and what stands in it.
type want struct{ column, text string }

// ParseTable reads rules as ParseRules does, up to a line "-- decisions --", and
// behind it cases as ParseCases does:
//
//	who=group:ops target=* allow=control
//	who=* target=demo-* hours=08:00-18:00 allow=view
//
//	-- decisions --
//	who               target  at                | rights                 rule
//	alice[ops]/plain  build   -                 | view,keyboard,pointer  1
//	/none             demo-1  2026-03-02T19:00  | nothing                -
//
// Errors name the line.
func ParseTable(text string) (*Table, error) {
	var rules, cases strings.Builder
	part := &rules
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "-- decisions --" {
			part, line = &cases, "\n"
		}
		part.WriteString(line)
		if part == &rules {
			cases.WriteByte('\n') // so that both count lines alike
		}
	}
	t := &Table{}
	var err error
	if t.Rules, err = ParseRules(rules.String()); err != nil {
		return nil, err
	}
	t.Cases, err = ParseCases(cases.String())
	return t, err
}

// Check asks a policy about every case, and returns what it decides otherwise
// than expected.
func (t *Table) Check(p *Policy) []error {
	var wrong []error
	for _, c := range t.Cases {
		if err := c.Check(p.Decide(c.Request)); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// ParseCases reads a case a line, in columns that the first line names. To the
// left of | stands what is asked, as much of it as is of interest:
//
//	who     identities as ParseIdentities reads them
//	target  the target's name
//	from    the viewer's address
//	at      a moment as ParseMoment reads it
//	claims  an object in JSON
//
// and to its right what is expected:
//
//	rights  all that are allowed, or nothing
//	may     rights that must be among them
//	maynot  rights none of which may be among them
//	rule    number or name of the rule that decides, or none
//	limits  the limits, as ParseLimits reads them, or none
//	until   a moment, or never
//
// A cell with - asks or expects nothing. Cells with blanks in them stand in
// quotes as in Go. Another line of columns may follow an empty line.
func ParseCases(text string) ([]Case, error) {
	var cases []Case
	var head *columns
	number := 0
	for line := range strings.Lines(text) {
		number++
		if isComment(line) {
			if strings.TrimSpace(line) == "" {
				head = nil
			}
			continue
		}
		cells, err := splitWords(line, false)
		if err == nil && head == nil {
			head, err = newColumns(cells)
		} else if err == nil {
			var c Case
			c, err = head.read(cells)
			c.Line = number
			cases = append(cases, c)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return cases, nil
}

// columns are the names of a table's columns.
type columns struct{ asked, expected []string }

func newColumns(cells []word) (*columns, error) {
	var c columns
	list, known := &c.asked, []string{"who", "target", "from", "at", "claims"}
	for _, cell := range cells {
		if cell.value == "|" {
			list, known = &c.expected, []string{"rights", "may", "maynot", "rule", "limits", "until"}
			continue
		}
		if !slices.Contains(known, cell.value) || slices.Contains(*list, cell.value) {
			return nil, fmt.Errorf("auth: no column can be called %q here (there are: %s)", cell.value, strings.Join(known, ", "))
		}
		*list = append(*list, cell.value)
	}
	if len(c.expected) == 0 {
		return nil, errors.New("auth: the line of columns expects nothing; write | and rights, may, maynot, rule, limits or until")
	}
	return &c, nil
}

func (h *columns) read(cells []word) (Case, error) {
	var c Case
	if len(cells) != len(h.asked)+1+len(h.expected) || cells[len(h.asked)].value != "|" {
		return c, fmt.Errorf("auth: has other columns than %s | %s", strings.Join(h.asked, " "), strings.Join(h.expected, " "))
	}
	for i, column := range h.asked {
		if cells[i].value == "-" {
			continue
		}
		if err := c.ask(column, cells[i].value); err != nil {
			return c, err
		}
	}
	for i, column := range h.expected {
		w := want{column, cells[len(h.asked)+1+i].value}
		if w.text == "-" {
			continue
		}
		if _, err := w.missed(Decision{}); err != nil {
			return c, fmt.Errorf("auth: %s: %w", column, err)
		}
		c.wants = append(c.wants, w)
	}
	return c, nil
}

func (c *Case) ask(column, text string) (err error) {
	switch column {
	case "who":
		c.Request.Identities, err = ParseIdentities(text)
	case "target":
		c.Request.Target = text
	case "from":
		if c.Request.Address, err = netip.ParseAddr(text); err != nil {
			err = fmt.Errorf("auth: from: %q is no address", text)
		}
	case "at":
		c.Request.Now, err = ParseMoment(text)
	case "claims":
		if err = json.Unmarshal([]byte(text), &c.Request.Claims); err != nil {
			err = errors.New("auth: claims: not an object in JSON")
		}
	}
	return err
}

// Check compares a decision with what the case expects.
func (c Case) Check(d Decision) error {
	for _, w := range c.wants {
		if is, _ := w.missed(d); is != "" {
			return fmt.Errorf("line %d: %s on %s: %s: want %s, have %s (%s)", c.Line, whoOf(c.Request), c.Request.Target, w.column, w.text, is, d)
		}
	}
	return nil
}

func whoOf(req Request) string {
	names := make([]string, len(req.Identities))
	for i, id := range req.Identities {
		names[i] = id.String()
	}
	return strings.Join(names, " + ")
}

// missed is what a decision has instead of what is wanted, "" if it has that;
// the error is that of a want that cannot be.
func (w want) missed(d Decision) (is string, err error) {
	met := false
	switch w.column {
	case "rights", "may", "maynot":
		met, err = w.rights(d.Rights)
		is = rightsText(d.Rights)
	case "rule":
		number, notNumber := strconv.Atoi(w.text)
		met = notNumber == nil && number == d.Rule || w.text == "none" && d.Rule == 0 || d.Name != "" && w.text == d.Name
		is = d.By()
	case "limits":
		var l Limits
		if w.text != "none" {
			l, err = ParseLimits(w.text)
		}
		met, is = l.Equal(d.Limits), strconv.Quote(d.Limits.String())
	case "until":
		var until time.Time
		if w.text != "never" {
			until, err = ParseMoment(w.text)
		}
		met, is = until.Equal(d.Until), "never"
		if !d.Until.IsZero() {
			is = d.Until.UTC().Format(time.RFC3339Nano)
		}
	}
	if met {
		is = ""
	}
	return is, err
}

func (w want) rights(have Rights) (met bool, err error) {
	var r Rights
	if w.text != "nothing" {
		err = r.UnmarshalText([]byte(w.text))
	}
	switch w.column {
	case "may":
		return have.Has(r), err
	case "maynot":
		return have&r == 0, err
	}
	return have == r, err
}

func rightsText(r Rights) string {
	if r == 0 {
		return "nothing"
	}
	return r.String()
}

// ParseIdentities reads what a viewer has proved, as tables and people write
// it: the name, groups in brackets, and the method behind a slash, each of
// which may be left out: "alice[ops,dev]/x509-plain", "bob", "/vnc". Several are
// joined by " + ". A name with a slash in it needs the brackets: "host/x[]".
func ParseIdentities(text string) ([]Identity, error) {
	var ids []Identity
	for one := range strings.SplitSeq(text, " + ") {
		id, ok := parseIdentity(strings.TrimSpace(one))
		if !ok {
			return nil, fmt.Errorf("auth: %q is no identity; write it like alice[ops,dev]/x509-plain", one)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func parseIdentity(text string) (id Identity, ok bool) {
	name, rest, grouped := strings.Cut(text, "[")
	if !grouped {
		id.Name, id.Method, _ = strings.Cut(text, "/")
		return id, text != "" && !strings.Contains(text, "]")
	}
	groups, method, closed := strings.Cut(rest, "]")
	if method != "" && !strings.HasPrefix(method, "/") {
		return id, false
	}
	return Identity{Name: name, Method: strings.TrimPrefix(method, "/"), Groups: splitNames(groups)}, closed
}

// ParseMoment reads a moment: "2026-03-02T09:00:00+01:00" (RFC 3339), or without
// offset and seconds, which is UTC unless a time zone follows in brackets (RFC
// 9557): "2026-03-02T09:00[Europe/Berlin]".
func ParseMoment(text string) (time.Time, error) {
	bare, zone, zoned := strings.Cut(text, "[")
	location := time.UTC
	if zoned {
		name, closed := strings.CutSuffix(zone, "]")
		var err error
		if location, err = time.LoadLocation(name); err != nil || !closed {
			return time.Time{}, fmt.Errorf("auth: %q has no time zone that is known", text)
		}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, bare, location); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("auth: %q is no moment; write it like 2026-03-02T09:00[Europe/Berlin]", text)
}

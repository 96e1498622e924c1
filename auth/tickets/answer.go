package tickets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vncgate/auth"
)

// Bounds of what a service or a store may answer.
const (
	maxAnswer = 64 << 10 // bytes of the whole answer
	maxField  = 1024     // bytes of a user name, a password, a path
	maxName   = 256      // bytes of the name of a user, a group, a target
	maxGroups = 256
)

// ParseAnswer reads what an HTTP API or a Redis value says about a token. It
// is either an address alone, as ParseAddress takes it, or a JSON object:
//
//	host, port    where the display is; port is a number or a string. Without
//	              port, host is a whole address (websockify's JSONTokenApi
//	              and TokenRedis)
//	address       the same in one, as ParseAddress takes it
//	target        instead of the two: the name of a configured display
//	tls           true: the display speaks TLS from the first byte
//	connect_path  to be asked for with HTTP CONNECT before RFB
//	user          for the display's own log-in
//	password      likewise
//	identity      whom the token was made for
//	groups        that one's groups
//	rights        what the token allows at most: ["view", "keyboard"]
//	expires       when the session must end: seconds since 1970, or RFC 3339
//
// What else is in the object is passed over; null is the same as a field that
// is missing. A token whose expires has passed is ErrUnknown. No other error
// repeats what was in the answer, but for the name of a right that is none.
func ParseAnswer(text []byte) (Ticket, error) {
	if len(text) > maxAnswer {
		return Ticket{}, fmt.Errorf("tickets: the answer has more than %d bytes", maxAnswer)
	}
	text = bytes.TrimSpace(text)
	if bytes.HasPrefix(text, []byte("{")) {
		return parseObject(text)
	}
	if bytes.HasPrefix(text, []byte("<")) {
		return Ticket{}, errors.New("tickets: the answer is neither an address nor JSON but a page of HTML, as a log-in or an error is; is the URL that of the API?")
	}
	address, err := ParseAddress(string(text))
	if err != nil {
		return Ticket{}, err
	}
	return Ticket{Address: address}, nil
}

// object is the JSON of an answer.
type object struct {
	Host        string          `json:"host"`
	Port        json.RawMessage `json:"port"`
	Address     string          `json:"address"`
	Target      string          `json:"target"`
	TLS         bool            `json:"tls"`
	ConnectPath string          `json:"connect_path"`
	User        string          `json:"user"`
	Password    string          `json:"password"`
	Identity    string          `json:"identity"`
	Groups      []string        `json:"groups"`
	Rights      *[]string       `json:"rights"`
	Expires     json.RawMessage `json:"expires"`
}

func parseObject(text []byte) (Ticket, error) {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		return Ticket{}, jsonError(err)
	}
	t := Ticket{
		Target: o.Target, TLS: o.TLS, ConnectPath: o.ConnectPath, User: o.User, Password: o.Password,
		Identity: auth.Identity{Name: o.Identity, Groups: o.Groups},
	}
	var err error
	if t.Address, err = o.address(); err != nil {
		return Ticket{}, err
	}
	if t.Rights, err = o.rights(); err != nil {
		return Ticket{}, err
	}
	if t.Expires, err = parseExpires(o.Expires); err != nil {
		return Ticket{}, err
	}
	if err := checkTicket(t); err != nil {
		return Ticket{}, err
	}
	if !t.Expires.IsZero() && !time.Now().Before(t.Expires) {
		return Ticket{}, fmt.Errorf("%w: it has expired", ErrUnknown)
	}
	return t, nil
}

// jsonError keeps which field was wrong and leaves out what stood there.
func jsonError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return fmt.Errorf("tickets: the answer's %q is not of the type %s", wrong.Field, wrong.Type)
	}
	return errors.New("tickets: the answer is not a JSON object")
}

func (o *object) address() (string, error) {
	port, err := scalar(o.Port)
	if err != nil {
		return "", errPort
	}
	said := 0
	for _, s := range []string{o.Host, o.Address, o.Target} {
		if s != "" {
			said++
		}
	}
	switch {
	case said != 1:
		return "", errors.New("tickets: the answer must have one of host, address and target")
	case o.Target != "":
		return "", nil
	case o.Address != "":
		return ParseAddress(o.Address)
	case port == "":
		return ParseAddress(o.Host)
	}
	return JoinAddress(o.Host, port)
}

// rights are refused when they are none: 0 in a Ticket is not to narrow.
func (o *object) rights() (auth.Rights, error) {
	if o.Rights == nil {
		return 0, nil
	}
	r, err := auth.ParseRights(*o.Rights)
	if err != nil {
		return 0, fmt.Errorf("tickets: the answer's rights hold %s that is not one of a right; there are: %s", wrongRight(*o.Rights), strings.Join(auth.RightNames(), ", "))
	}
	if r == 0 {
		return 0, errors.New("tickets: the answer's rights are none at all; leave them out to narrow nothing")
	}
	return r, nil
}

// wrongRight is the first name that is none of a right. It is quoted if it is
// written as those are: anything else may be a secret in the wrong place.
func wrongRight(names []string) string {
	strange := func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') }
	for _, name := range names {
		if _, err := auth.ParseRights([]string{name}); err != nil && len(name) <= 20 && !strings.ContainsFunc(name, strange) {
			return fmt.Sprintf("the name %q", name)
		}
	}
	return "a name"
}

// scalar is the text of a JSON string or number, "" for none.
func scalar(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	if raw[0] == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	var n json.Number
	err := json.Unmarshal(raw, &n)
	return n.String(), err
}

// maxExpires is the year 9999, the last that RFC 3339 can write.
const maxExpires = 253402300799

func parseExpires(raw json.RawMessage) (time.Time, error) {
	bad := errors.New("tickets: the answer's expires is neither seconds since 1970 nor an RFC 3339 time")
	text, err := scalar(raw)
	if err != nil {
		return time.Time{}, bad
	}
	if text == "" {
		if len(raw) > 0 && raw[0] == '"' { // "" is no time; do not take it for never
			return time.Time{}, bad
		}
		return time.Time{}, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds > 0 && seconds <= maxExpires) {
			return time.Time{}, bad
		}
		return time.Unix(int64(seconds), 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, bad
	}
	return at, nil
}

func checkTicket(t Ticket) error {
	switch {
	case len(t.User) > maxField || len(t.Password) > maxField:
		return fmt.Errorf("tickets: the answer's user or password has more than %d bytes", maxField)
	case t.ConnectPath != "" && !plainPath(t.ConnectPath):
		return errors.New("tickets: the answer's connect_path must have only plain letters, digits and signs, and no space")
	case t.Target != "" && !nameText(t.Target):
		return errors.New("tickets: the answer's target is not a name")
	case t.Identity.Name != "" && !nameText(t.Identity.Name):
		return errors.New("tickets: the answer's identity is not a name")
	case len(t.Identity.Groups) > maxGroups:
		return fmt.Errorf("tickets: the answer has more than %d groups", maxGroups)
	case t.Identity.Name == "" && len(t.Identity.Groups) > 0:
		return errors.New("tickets: the answer has groups of nobody; add identity")
	}
	for _, g := range t.Identity.Groups {
		if !nameText(g) {
			return errors.New("tickets: the answer's groups hold something that is not a name")
		}
	}
	return nil
}

// plainPath holds for what can stand in the first line of an HTTP request.
func plainPath(s string) bool {
	return len(s) <= maxField && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// nameText holds for a name that can stand in a log and a policy, as with
// those in JSON Web Tokens (auth).
func nameText(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && s == strings.TrimSpace(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}

package tickets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"vncgate/auth"
)

// maxSealed is the longest token that is looked into, in bytes. A URL would not
// carry much more, and Guacamole's lists of connections fit.
const maxSealed = 64 << 10

// refused is the error of a token that is good for nothing. The reason is for
// the log and holds nothing of the token.
func refused(source, reason string) error {
	return fmt.Errorf("%w: %s: %s", ErrUnknown, source, reason)
}

// claims are what a JSON Web Token says of a display.
type claims struct {
	Host     string      `json:"host"`
	Port     jsonText    `json:"port"`
	Address  string      `json:"address"`
	Target   string      `json:"target"`
	TLS      bool        `json:"tls"`
	Username string      `json:"username"`
	Password string      `json:"password"`
	Rights   *stringList `json:"rights"`
}

// ticket turns claims into what they are good for; the error is the reason why
// they are good for nothing.
func (c claims) ticket(encrypted bool) (t Ticket, err error) {
	if c.Password != "" && !encrypted {
		return Ticket{}, errors.New("it has a password that everybody can read: encrypt the token (JWE)")
	}
	t = Ticket{Target: c.Target, TLS: c.TLS, User: c.Username, Password: c.Password}
	if t.Address, err = c.address(); err != nil {
		return Ticket{}, err
	}
	if c.Rights != nil {
		t.Rights, err = auth.ParseRights(*c.Rights)
		if err != nil || t.Rights == 0 { // the error would quote the token
			return Ticket{}, errors.New("its rights are none, or none that there are")
		}
	}
	return t, nil
}

// address reads where the display is, which must be said once: by a target, an
// address, or host and port.
func (c claims) address() (string, error) {
	apart := c.Host != "" || c.Port != ""
	said := 0
	for _, is := range []bool{c.Target != "", c.Address != "", apart} {
		if is {
			said++
		}
	}
	switch {
	case said != 1:
		return "", errors.New("it must name a display once: by host and port, by address or by target")
	case apart:
		return JoinAddress(c.Host, string(c.Port))
	case c.Address != "":
		return ParseAddress(c.Address)
	}
	return "", nil
}

// jsonText is a string, or a whole number as its digits.
type jsonText string

// UnmarshalJSON takes strings and whole numbers of 64 bits.
func (t *jsonText) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		return json.Unmarshal(b, (*string)(t))
	}
	var n *int64
	if json.Unmarshal(b, &n) != nil {
		return errors.New("neither a string nor a whole number")
	}
	if n != nil {
		*t = jsonText(strconv.FormatInt(*n, 10))
	}
	return nil
}

// stringList is several strings, or one that holds them, separated by spaces or
// commas.
type stringList []string

// UnmarshalJSON takes a string or an array of strings.
func (l *stringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = strings.FieldsFunc(one, func(r rune) bool { return r == ' ' || r == ',' })
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

package capability

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"time"

	"vncgate/auth"
)

// claims are a token's in JSON (RFC 7519, 4.1, and ours), in the token itself
// and in the store. Times are seconds since 1970.
type claims struct {
	ID         string         `json:"jti"`
	Targets    []string       `json:"targets"`
	Rights     auth.Rights    `json:"rights"`
	Limits     *auth.Limits   `json:"limits,omitempty"`
	Issued     int64          `json:"iat"`
	NotBefore  int64          `json:"nbf,omitempty"`
	Expires    int64          `json:"exp"`
	Uses       int            `json:"uses,omitempty"`
	User       string         `json:"sub,omitempty"`
	From       []netip.Prefix `json:"from,omitempty"`
	Renew      int64          `json:"renew,omitempty"` // seconds
	RenewUntil int64          `json:"renew_until,omitempty"`
}

func claimsOf(t Token) claims {
	c := claims{
		ID: t.ID, Targets: t.Targets, Rights: t.Rights, Issued: seconds(t.Issued), NotBefore: seconds(t.NotBefore), Expires: seconds(t.Expires),
		Uses: t.Uses, User: t.User, From: t.From, Renew: int64(t.Renew / time.Second), RenewUntil: seconds(t.RenewUntil),
	}
	if !t.Limits.IsZero() {
		c.Limits = &t.Limits
	}
	return c
}

// token is what the claims say, if they are such as Issue makes them.
func (c claims) token() (Token, error) {
	const most = int64(MaxLife / time.Second)
	for _, at := range []int64{c.Issued, c.NotBefore, c.Expires, c.RenewUntil} {
		if at < 0 || at > maxTime {
			return Token{}, errors.New("a time is out of range")
		}
	}
	if c.Renew < 0 || c.Renew > most {
		return Token{}, errors.New("a time is out of range")
	}
	t := Token{
		ID: c.ID, Targets: c.Targets, Rights: c.Rights, Issued: moment(c.Issued), NotBefore: moment(c.NotBefore), Expires: moment(c.Expires),
		Uses: c.Uses, User: c.User, From: c.From, Renew: time.Duration(c.Renew) * time.Second, RenewUntil: moment(c.RenewUntil),
	}
	if c.Limits != nil {
		t.Limits = *c.Limits
	}
	return t, t.check()
}

// maxTime is the year 9999, the last that RFC 3339 can write.
const maxTime = 253402300799

// seconds since 1970; 0 for no time.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// decode reads one JSON value of ours. What is in it and not known could be a
// restriction, so it is an error.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New("malformed JSON") // the cause may quote it
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

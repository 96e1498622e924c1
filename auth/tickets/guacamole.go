package tickets

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"vncgate/auth"
)

// maxOnce is how many tokens that are good for one session are remembered. Where
// there is no room for another, another is refused.
const maxOnce = 4096

// GuacamoleConfig says how Guacamole's encrypted JSON is read.
type GuacamoleConfig struct {
	// Key is json-secret-key: 32 hexadecimal digits, 128 bits.
	Key string
	// Endless takes data without expires, as Guacamole does.
	Endless bool
}

// Guacamole is a source whose tokens are the encrypted JSON of
// guacamole-auth-json: base64 of AES-128-CBC, without an initialisation vector,
// of an HMAC-SHA256 and the JSON that it covers. The connection must be of
// protocol vnc; where there are several, the token is DATA~NAME. Of its
// parameters hostname, port, username and password say how the display is
// reached, read-only, disable-copy and disable-paste what the bearer may not.
// expires, and singleUse, bound when a session may begin
// (guacamole-manual:src/json-auth.md.j2).
type Guacamole struct {
	block   cipher.Block
	key     []byte
	endless bool

	mu   sync.Mutex
	once map[[sha256.Size]byte]time.Time // used up, until when to remember
}

// NewGuacamole reads the key.
func NewGuacamole(cfg GuacamoleConfig) (*Guacamole, error) {
	key, err := hex.DecodeString(strings.TrimSpace(cfg.Key))
	if err != nil || len(key) != 16 {
		return nil, errors.New("tickets: guacamole: the key must be 32 hexadecimal digits, as json-secret-key is: make one with openssl rand -hex 16")
	}
	block, err := aes.NewCipher(key)
	return &Guacamole{block: block, key: key, endless: cfg.Endless, once: map[[sha256.Size]byte]time.Time{}}, err
}

// Lookup decrypts the token and reads what it says.
func (g *Guacamole) Lookup(_ context.Context, token string) (Ticket, error) {
	if len(token) > maxSealed {
		return Ticket{}, refused("guacamole", "it is too large")
	}
	data, name, named := strings.Cut(token, "~")
	text, mac, ok := g.open(data)
	if !ok {
		return Ticket{}, refused("guacamole", "it was not made with our key")
	}
	t, err := g.ticket(text, mac, name, named)
	if err != nil {
		return Ticket{}, refused("guacamole", err.Error())
	}
	return t, nil
}

// open decrypts and checks. The MAC lies under the encryption, so it cannot be
// checked first; instead it is checked for each padding that there could be, and
// only one answer comes out: how long that takes, and what it says, is the same
// for a bad padding and a bad MAC.
func (g *Guacamole) open(data string) (text []byte, mac [sha256.Size]byte, ok bool) {
	// A + that has become a space was a form's.
	sealed, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(data, " ", "+"))
	if err != nil || len(sealed) < sha256.Size+aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, mac, false
	}
	cipher.NewCBCDecrypter(g.block, make([]byte, aes.BlockSize)).CryptBlocks(sealed, sealed)
	copy(mac[:], sealed)
	body := sealed[sha256.Size:]
	length := 0
	for pad := 1; pad <= aes.BlockSize; pad++ {
		good := 1
		for _, b := range body[len(body)-pad:] {
			good &= subtle.ConstantTimeByteEq(b, byte(pad))
		}
		h := hmac.New(sha256.New, g.key)
		h.Write(body[:len(body)-pad])
		good &= subtle.ConstantTimeCompare(h.Sum(nil), mac[:])
		length = subtle.ConstantTimeSelect(good, len(body)-pad, length)
	}
	return body[:length], mac, length > 0
}

// guacamoleData is what the JSON says.
type guacamoleData struct {
	Username    string                         `json:"username"`
	Expires     jsonText                       `json:"expires"` // ms since 1970
	SingleUse   bool                           `json:"singleUse"`
	Connections map[string]guacamoleConnection `json:"connections"`
}

type guacamoleConnection struct {
	Protocol   string         `json:"protocol"`
	Join       string         `json:"join"`
	SingleUse  bool           `json:"singleUse"`
	Parameters map[string]any `json:"parameters"`
}

func (g *Guacamole) ticket(text []byte, mac [sha256.Size]byte, name string, named bool) (Ticket, error) {
	var d guacamoleData
	if json.Unmarshal(text, &d) != nil {
		return Ticket{}, errors.New("it is not the JSON that was expected")
	}
	expires, err := g.expiry(d.Expires)
	if err != nil {
		return Ticket{}, err
	}
	c, err := d.connection(name, named)
	if err != nil {
		return Ticket{}, err
	}
	t, err := c.ticket()
	if err != nil {
		return Ticket{}, err
	}
	if d.Username != "" {
		if !printable(d.Username) {
			return Ticket{}, errors.New("its username is unusable")
		}
		t.Identity = auth.Identity{Name: d.Username, Method: "guacamole"}
	}
	if !d.SingleUse && !c.SingleUse {
		return t, nil
	}
	if g.isUsed(mac) || expires.IsZero() {
		return Ticket{}, errUsed
	}
	t.Claim = func(context.Context) error {
		if !g.use(mac, expires) {
			return refused("guacamole", errUsed.Error())
		}
		return nil
	}
	return t, nil
}

var errUsed = errors.New("it was used already, or cannot be remembered as used")

func (g *Guacamole) expiry(text jsonText) (time.Time, error) {
	if text == "" {
		if !g.endless {
			return time.Time{}, errors.New("it never expires")
		}
		return time.Time{}, nil
	}
	ms, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return time.Time{}, errors.New("its time is malformed")
	}
	if expires := time.UnixMilli(ms); time.Now().Before(expires) {
		return expires, nil
	}
	return time.Time{}, errors.New("it has expired")
}

// connection chooses the one that is named, or the only one that is of VNC.
func (d guacamoleData) connection(name string, named bool) (c guacamoleConnection, err error) {
	if named {
		c, ok := d.Connections[name]
		if !ok || c.Protocol != "vnc" || c.Join != "" {
			return c, errors.New("it has no connection of that name whose protocol is vnc")
		}
		return c, nil
	}
	found := 0
	for _, one := range d.Connections {
		if one.Protocol == "vnc" && one.Join == "" {
			c, found = one, found+1
		}
	}
	if found != 1 {
		return c, errors.New("it has not just one connection whose protocol is vnc: name one by appending ~NAME")
	}
	return c, nil
}

func (c guacamoleConnection) ticket() (t Ticket, err error) {
	host, port := c.parameter("hostname"), c.parameter("port")
	if port == "" {
		port = "5900"
	}
	for _, p := range []string{"dest-host", "dest-port", "reverse-connect"} {
		if value := c.parameter(p); value != "" && value != "false" {
			return t, errors.New("it asks for a repeater or a reverse connection")
		}
	}
	if t.Address, err = JoinAddress(host, port); err != nil {
		return t, err
	}
	t.User, t.Password = c.parameter("username"), c.parameter("password")
	for _, value := range []string{host, t.User, t.Password} {
		if strings.Contains(value, "${") {
			return t, errors.New("it has a ${…} that only Guacamole can fill in")
		}
	}
	t.Rights = c.rights()
	return t, nil
}

// rights are what the parameters leave of all; 0 if they narrow nothing.
func (c guacamoleConnection) rights() auth.Rights {
	rights := auth.AllRights
	if c.parameter("read-only") == "true" {
		rights = auth.Viewing
	}
	if c.parameter("disable-copy") == "true" {
		rights &^= auth.ClipboardOut
	}
	if c.parameter("disable-paste") == "true" {
		rights &^= auth.ClipboardIn
	}
	if rights == auth.AllRights {
		return 0
	}
	return rights
}

// parameter is a parameter's text, which JSON may give as a number or a boolean.
func (c guacamoleConnection) parameter(name string) string {
	switch value := c.Parameters[name].(type) {
	case string:
		return value
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

func (g *Guacamole) isUsed(mac [sha256.Size]byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, used := g.once[mac]
	return used
}

// use uses a token up. One that is good for ever would have to be remembered
// for ever, so it is good for nothing.
func (g *Guacamole) use(mac [sha256.Size]byte, expires time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if len(g.once) >= maxOnce {
		for used, until := range g.once {
			if !now.Before(until) {
				delete(g.once, used)
			}
		}
	}
	if _, used := g.once[mac]; used || expires.IsZero() || len(g.once) >= maxOnce {
		return false
	}
	g.once[mac] = expires
	return true
}

// printable reports whether a name from a token can stand in a log.
func printable(s string) bool {
	return len(s) <= 256 && s == strings.TrimSpace(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsGraphic(r) })
}

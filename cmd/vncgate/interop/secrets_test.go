package interop

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// secrets are the passwords of one run of the suite. VNC authentication looks
// at eight characters, so those that it uses have no more.
var secrets = struct {
	user      string // of alice at the gateway
	front     string // of VNC authentication at the gateway
	xvnc      string // of the displays …
	x11vnc    string
	qemu      string
	qemuSASL  string // of alice at QEMU
	qemuTLS   string
	wrongOnes string // what nobody accepts
}{
	user: "U" + rand.Text(), front: short(), xvnc: short(), x11vnc: short(), qemu: short(),
	qemuSASL: "Q" + rand.Text(), qemuTLS: short(), wrongOnes: short(),
}

func short() string { return rand.Text()[:8] }

// newTokens are the tokens that tests have made: secrets, too.
var newTokens struct {
	mu   sync.Mutex
	list []string
}

// newToken makes a token that no log may show.
func newToken() string {
	newTokens.mu.Lock()
	defer newTokens.mu.Unlock()
	token := "T" + rand.Text()
	newTokens.list = append(newTokens.list, token)
	return token
}

func allSecrets() []string {
	newTokens.mu.Lock()
	defer newTokens.mu.Unlock()
	s := secrets
	return append(slices.Clone(newTokens.list),
		s.user, s.front, s.xvnc, s.x11vnc, s.qemu, s.qemuSASL, s.qemuTLS, s.wrongOnes)
}

// forms lists how a secret could appear in a log.
func forms(secret string) []string {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00alice\x00" + secret))
	return []string{
		secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)), plain,
		base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)),
		strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
	}
}

// noSecrets fails when text, which name says the origin of, shows one of them.
func noSecrets(t testing.TB, name, text string) {
	t.Helper()
	lower := strings.ToLower(text)
	for _, secret := range allSecrets() {
		for _, form := range forms(secret) {
			if at := strings.Index(lower, strings.ToLower(form)); at >= 0 {
				line := text[strings.LastIndexByte(text[:at], '\n')+1:]
				line, _, _ = strings.Cut(line, "\n")
				t.Errorf("%s shows a secret: %s", name, line)
			}
		}
	}
}

func TestNoSecretsSees(t *testing.T) {
	for _, form := range forms(secrets.front) {
		probe := new(probeTB)
		noSecrets(probe, "log", "a line\nmsg="+form+" more\n")
		if !probe.failed {
			t.Errorf("%s is not found", form)
		}
	}
}

// probeTB notes whether a check failed.
type probeTB struct {
	testing.TB
	failed bool
}

func (p *probeTB) Helper()               {}
func (p *probeTB) Errorf(string, ...any) { p.failed = true }

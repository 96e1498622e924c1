package tunnel

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vncgate/certs"
)

// Protocol of a token's life: AddToken writes it down, without its secret; the
// first key that shows the secret has the token, and may fetch certificates by
// it again until the token ends, in case that one was lost on its way; all other
// keys are refused. So of two who show one token at the same time one gets a
// certificate, whichever gateway each of them asks.

// Bounds of tokens.
const (
	maxTokens    = 10_000
	maxTokenLife = 30 * 24 * time.Hour
	maxFetches   = 10  // certificates by one token
	maxWrong     = 20  // wrong secrets, after which a token is good for nothing
	maxNote      = 200 // bytes
	idLen        = 8   // letters of an ID
	secretLen    = 26  // of a secret, 5 bits each (rand.Text)
)

// What is wrong with a token that an agent shows. The agent is told.
var (
	ErrTokenUnknown = errors.New("the token is not known, or was taken back")
	ErrTokenExpired = errors.New("the token has expired")
	ErrTokenUsed    = errors.New("the token has been used, by another key")
)

// Token is what is kept of an enrolment token.
type Token struct {
	ID       string // for lists, no secret
	Agent    string
	Services []string // patterns
	Made     time.Time
	Expires  time.Time
	Maker    string // who made it
	Note     string
	Used     time.Time // when a key first showed it; zero: never
}

// keptToken is a Token as it is kept.
type keptToken struct {
	ID       string   `json:"id"`
	Hash     string   `json:"hash"` // SHA-256 of the secret
	Agent    string   `json:"agent"`
	Services []string `json:"services"`
	Made     int64    `json:"made"`
	Expires  int64    `json:"expires"`
	Maker    string   `json:"maker,omitempty"`
	Note     string   `json:"note,omitempty"`
	Key      string   `json:"key,omitempty"` // fingerprint of whose it is
	Used     int64    `json:"used,omitempty"`
	Fetched  int      `json:"fetched,omitempty"`
	Wrong    int      `json:"wrong,omitempty"`
}

func (t *keptToken) public() Token {
	return Token{t.ID, t.Agent, t.Services, moment(t.Made), moment(t.Expires), t.Maker, t.Note, moment(t.Used)}
}

// moment is a kept time; zero stays zero.
func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

func (r *Registry) checkToken(t Token, now time.Time) error {
	if err := certs.CheckWord(t.Agent); err != nil {
		return err
	}
	if err := certs.CheckServices(t.Services); err != nil {
		return err
	}
	switch life := t.Expires.Sub(now); {
	case life <= 0:
		return errors.New("the token would have expired already")
	case life > maxTokenLife:
		return fmt.Errorf("a token lasts at most %d days", maxTokenLife/(24*time.Hour))
	case len(t.Note) > maxNote || len(t.Maker) > maxNote:
		return fmt.Errorf("a note has at most %d bytes", maxNote)
	}
	return nil
}

// AddToken makes a token of what t says (Agent, Services, Expires, Maker, Note).
// The secret is for FormatToken and is kept nowhere.
func (r *Registry) AddToken(ctx context.Context, t Token) (secret string, made Token, err error) {
	now := r.now()
	if err := r.checkToken(t, now); err != nil {
		return "", Token{}, fmt.Errorf("tunnel: token: %w", err)
	}
	if err := r.sweep(ctx, now); err != nil {
		return "", Token{}, err
	}
	revoked, err := r.look(ctx)
	if err != nil {
		return "", Token{}, err
	}
	id, text := rand.Text()[:idLen], rand.Text()
	one := &keptToken{
		ID: id, Hash: hashSecret(text), Agent: t.Agent, Services: t.Services, Expires: t.Expires.Unix(), Maker: t.Maker, Note: t.Note,
		Made: max(now.Unix(), revoked.agents[t.Agent]+1), // later than what was revoked up to this second
	}
	err = changed(ctx, r, tokenTexts+id, func(old *keptToken) (*keptToken, error) {
		if old != nil {
			return nil, errors.New("the ID is taken")
		}
		return one, nil
	})
	return id + text, one.public(), err
}

func hashSecret(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sweep removes what has ended, tokens and agents that have no certificate left,
// and says whether there is room for one more token.
func (r *Registry) sweep(ctx context.Context, now time.Time) error {
	tokens, err := listed[keptToken](ctx, r, tokenTexts)
	if tokens == nil && err != nil {
		return err
	}
	left, ended := 0, []string{}
	for _, t := range tokens {
		if now.Before(moment(t.Expires)) {
			left++
		} else {
			ended = append(ended, tokenTexts+t.ID)
		}
	}
	for _, name := range ended {
		if err := r.store.Change(ctx, name, func([]byte) ([]byte, error) { return nil, nil }); err != nil {
			return fmt.Errorf("tunnel: registry: %w", err)
		}
	}
	if left >= maxTokens {
		return fmt.Errorf("tunnel: registry: there are %d tokens that have not expired: take some back", left)
	}
	return r.sweepAgents(ctx, now)
}

// Tokens lists the tokens that have not expired, the oldest first. Those that
// cannot be read are passed over and named by the error.
func (r *Registry) Tokens(ctx context.Context) ([]Token, error) {
	all, err := listed[keptToken](ctx, r, tokenTexts)
	var list []Token
	for _, t := range all {
		if r.now().Before(moment(t.Expires)) {
			list = append(list, t.public())
		}
	}
	slices.SortFunc(list, func(a, b Token) int { return cmp.Or(a.Made.Compare(b.Made), strings.Compare(a.ID, b.ID)) })
	return list, err
}

// RemoveToken takes a token back. What it was used for stays: see Revoke.
func (r *Registry) RemoveToken(ctx context.Context, id string) error {
	if !isID(id) {
		return fmt.Errorf("tunnel: token: %w", ErrTokenUnknown)
	}
	return changed(ctx, r, tokenTexts+id, func(old *keptToken) (*keptToken, error) {
		if old == nil {
			return nil, ErrTokenUnknown
		}
		return nil, nil
	})
}

func isID(id string) bool { return len(id) == idLen && isBase32(id) }

// isBase32 knows the letters of rand.Text (RFC 4648, 6).
func isBase32(text string) bool {
	for _, c := range []byte(text) {
		if !('A' <= c && c <= 'Z' || '2' <= c && c <= '7') {
			return false
		}
	}
	return true
}

// claim has the token of that secret for the holder of a key.
func (r *Registry) claim(ctx context.Context, secret, key string) (Token, error) {
	if len(secret) != idLen+secretLen || !isBase32(secret) || key == "" {
		return Token{}, ErrTokenUnknown
	}
	id, text := secret[:idLen], secret[idLen:]
	var claimed Token
	var refused error
	err := changed(ctx, r, tokenTexts+id, func(t *keptToken) (*keptToken, error) {
		if t == nil {
			return nil, ErrTokenUnknown
		}
		if refused = t.claim(text, key, r.now()); refused != nil && !errors.Is(refused, errWrong) {
			return nil, refused
		}
		claimed = t.public()
		return t, nil // claimed, or a wrong secret counted
	})
	if err = cmp.Or(err, refused); err != nil {
		return Token{}, err
	}
	return claimed, nil
}

// errWrong is ErrTokenUnknown for the agent.
var errWrong = fmt.Errorf("%w: the secret is wrong", ErrTokenUnknown)

func (t *keptToken) claim(text, key string, now time.Time) error {
	right := subtle.ConstantTimeCompare([]byte(hashSecret(text)), []byte(t.Hash)) == 1
	switch {
	case t.Wrong >= maxWrong:
		return fmt.Errorf("%w: too many wrong secrets were tried", ErrTokenUnknown)
	case !right:
		t.Wrong++
		return errWrong
	case !now.Before(moment(t.Expires)):
		return ErrTokenExpired
	case t.Key != "" && t.Key != key, t.Fetched >= maxFetches:
		return ErrTokenUsed
	case t.Key == "":
		t.Key, t.Used = key, now.Unix()
	}
	t.Fetched++
	return nil
}

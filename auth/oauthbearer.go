package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
)

// OAUTHBEARER (RFC 7628). Protocol flow:
//
//	C→S  n,a=authzid, \1 auth=Bearer token \1 \1
//	S→C  nothing, with done; or {"status":"invalid_token"}
//	C→S  \1, after which it has failed
//
// A peer without an initial response is sent an empty challenge first.

// newOAuthBearer begins the server side of OAUTHBEARER. The library's server
// has three weak points that are kept from the peer: an empty second response
// makes it panic, its errors quote the first, and of two tokens it takes the
// last.
func newOAuthBearer(m Mechanisms) *Mechanism {
	mechanism := &Mechanism{name: OAuthBearer}
	var verdict error // of the first response; nil: none yet
	server := sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
		verdict = m.Guard.try(m.From, "", func() error {
			id, err := m.Tokens.bearer(o.Token)
			if err == nil {
				err = actsFor(id.Name, saslName(o.Username))
			}
			mechanism.id = id
			return err
		})
		if verdict != nil {
			return &sasl.OAuthBearerError{Status: "invalid_token", Schemes: "bearer"}
		}
		return nil
	})
	mechanism.step = func(response []byte) ([]byte, bool, error) {
		if verdict != nil {
			return nil, false, verdict // whatever it says, \1 or not
		}
		if response != nil && !wellFormedBearer(string(response)) {
			return nil, false, errMalformed
		}
		challenge, done, err := server.Next(response)
		if err != nil || response != nil && !done && verdict == nil {
			return nil, false, errMalformed
		}
		return challenge, done, nil
	}
	return mechanism
}

// wellFormedBearer checks the frame of a first response: one token, no more
// than the header, key-value pairs and the end (RFC 7628, 3.1).
func wellFormedBearer(response string) bool {
	header, pairs, ok := strings.Cut(response, "\x01")
	return ok && strings.HasPrefix(header, "n,") && strings.Count(header, ",") == 2 && strings.HasSuffix(header, ",") &&
		strings.HasSuffix(response, "\x01\x01") && strings.Count("\x01"+pairs, "\x01auth=") == 1
}

// saslName undoes what keeps a name's commas and equals signs out of a header
// (RFC 5801, 4).
func saslName(s string) string { return strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s) }

// maxToken is the most bytes of a token that are read or sent.
const maxToken = 16 << 10

// OAuthBearerClient proves us to a display by sending a token. The caller makes
// sure that only the display can read it.
func OAuthBearerClient(token string) (sasl.Client, error) {
	// RFC 6750, 2.1: the b64token of an Authorization header.
	const b64token = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
	if token == "" || len(token) > maxToken || strings.Trim(token, b64token) != "" {
		return nil, fmt.Errorf("auth: %s: the token is empty, longer than %d bytes, or has characters that no token has", OAuthBearer, maxToken)
	}
	return &oauthBearerClient{sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Token: token})}, nil
}

type oauthBearerClient struct{ sasl.Client }

// Next is called only when the display has refused the token: it says why in a
// word of RFC 6750, 3.1 or so.
func (c *oauthBearerClient) Next(challenge []byte) ([]byte, error) {
	var refused struct {
		Status string `json:"status"`
	}
	if len(challenge) > MaxResponse || json.Unmarshal(challenge, &refused) != nil {
		return nil, fmt.Errorf("auth: %s: %w", OAuthBearer, errors.New("the display asks for more than a token"))
	}
	return nil, fmt.Errorf("auth: %s: the display refuses the token: %.40q", OAuthBearer, refused.Status)
}

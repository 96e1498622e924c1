package auth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
)

// SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding. Protocol flow:
//
//	C→S  n,,n=user,r=nonce                  (client-first-message)
//	S→C  r=nonces,s=salt,i=iterations       (server-first-message)
//	C→S  c=biws,r=nonces,p=proof            (client-final-message)
//	S→C  v=signature                        (server-final-message, with done)
//
// The salt and the iterations of an unknown user are made up, so that the
// exchange fails at the proof for everybody.

// newScram begins the server side of SCRAM-SHA-256. nonce is nil but in tests.
func newScram(users *Users, nonce scram.NonceGeneratorFcn) *Mechanism {
	lookup := func(name string) (scram.StoredCredentials, error) { return users.scramKeys(name), nil }
	server, err := scram.SHA256.NewServer(lookup)
	if err != nil {
		panic("auth: internal error: SCRAM server: " + err.Error()) // it has no reason to
	}
	if nonce != nil {
		server.WithNonceGenerator(nonce)
	}
	c := &scramServer{users: users, ServerConversation: server.NewConversation()}
	return &Mechanism{name: ScramSHA256, step: c.next, user: func() string { return c.id.Name }}
}

type scramServer struct {
	*scram.ServerConversation
	users *Users
	begun bool
	id    Identity
}

func (c *scramServer) next(response []byte) ([]byte, bool, error) {
	if response == nil && !c.begun {
		c.begun = true
		return []byte{}, false, nil
	}
	c.begun = true
	challenge, err := c.Step(string(response))
	switch {
	case err != nil && (challenge == scram.ErrInvalidProof || challenge == scram.ErrChannelBindingsDontMatch):
		return nil, false, denied{"wrong name or password"}
	case err != nil && strings.HasPrefix(challenge, "e=") && strings.Contains(challenge, "channel-binding"):
		return nil, false, denied{"channel binding is not supported"}
	case err != nil:
		return nil, false, errors.New("malformed message") // the library's text quotes it
	case !c.Done():
		return []byte(challenge), false, nil
	}
	return []byte(challenge), true, c.finish()
}

// finish takes the identity of the user whose proof was good.
func (c *scramServer) finish() error {
	if !c.Valid() {
		return denied{"wrong name or password"}
	}
	if authzid := c.AuthzID(); authzid != "" && prepareName(authzid) != prepareName(c.ServerConversation.Username()) {
		return denied{"one user asks to act for another"}
	}
	id, ok := c.users.Identity(c.ServerConversation.Username())
	if !ok {
		return denied{"the user was removed"}
	}
	c.id = id
	return nil
}

// ScramClient proves name to a display by SCRAM-SHA-256, and the display to
// us: an exchange in which the display has not shown that it knows the
// password ends in an error.
func ScramClient(name, password string) (sasl.Client, error) {
	userprep, err := stringprep.SASLprep.Prepare(name)
	if err != nil || userprep == "" {
		return nil, fmt.Errorf("auth: %s: the user name is empty or forbidden by SASLprep (RFC 4013)", ScramSHA256)
	}
	prepared, err := preparePassword(password)
	if err != nil {
		return nil, err
	}
	client, err := scram.SHA256.NewClientUnprepped(userprep, prepared, "")
	if err != nil {
		return nil, fmt.Errorf("auth: %s: %w", ScramSHA256, err)
	}
	return &scramClient{client.NewConversation()}, nil
}

type scramClient struct{ conversation *scram.ClientConversation }

// Start returns the client-first-message.
func (c *scramClient) Start() (string, []byte, error) {
	first, err := c.conversation.Step("")
	if err != nil {
		return "", nil, fmt.Errorf("auth: %s: %w", ScramSHA256, err)
	}
	return ScramSHA256, []byte(first), nil
}

// Next answers the server's messages: the first with the proof, the last with
// an empty response once its signature is found good.
func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	if len(challenge) > MaxResponse {
		return nil, fmt.Errorf("auth: %s: a challenge of %d bytes, at most %d are read", ScramSHA256, len(challenge), MaxResponse)
	}
	if c.conversation.Done() {
		return nil, fmt.Errorf("auth: %s: %w", ScramSHA256, sasl.ErrUnexpectedServerChallenge)
	}
	if err := checkServerFirst(string(challenge)); err != nil {
		return nil, err
	}
	response, err := c.conversation.Step(string(challenge))
	if err != nil {
		return nil, fmt.Errorf("auth: %s: the display's message does not fit: %w", ScramSHA256, scramClientError(string(challenge)))
	}
	return []byte(response), nil
}

// scramClientError says what was wrong without quoting the message, except
// for an error value of RFC 5802, 7, which is a word of a small set.
func scramClientError(challenge string) error {
	word, ok := strings.CutPrefix(challenge, "e=")
	if !ok {
		return errors.New("malformed, or not signed with this password")
	}
	if len(word) > 40 {
		word = word[:40]
	}
	return fmt.Errorf("it answers %q", word)
}

// checkServerFirst refuses iterations that would keep a core busy: the library
// knows a least number, but no most.
func checkServerFirst(challenge string) error {
	for field := range strings.SplitSeq(challenge, ",") {
		if iters, ok := strings.CutPrefix(field, "i="); ok {
			if _, err := parseIterations(iters); err != nil {
				return fmt.Errorf("auth: the display's %w", err)
			}
		}
	}
	return nil
}

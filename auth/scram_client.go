package auth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
)

// ScramClient proves name to a display by SCRAM-SHA-256, and the display to
// us: an exchange in which the display has not shown that it knows the
// password ends in an error, and in Done being false. ChooseClient knows the
// stronger ones.
func ScramClient(name, password string) (sasl.Client, error) {
	return newScramClient(scram256, name, password, unbound)
}

// clientBinding makes the conversation that says of channel binding what is to
// be said.
type clientBinding struct {
	plus    bool
	flagged func(*scram.Client) *scram.ClientConversation
}

// unbound says that we know nothing of channel binding (n).
var unbound = clientBinding{false, (*scram.Client).NewConversation}

// unseen says that we could bind, but saw no -PLUS on offer (y): a display that
// did offer it then knows that somebody edited its list.
var unseen = clientBinding{false, (*scram.Client).NewConversationAdvertisingChannelBinding}

// bound binds (p=type).
func bound(b Binding) clientBinding {
	return clientBinding{true, func(c *scram.Client) *scram.ClientConversation {
		return c.NewConversationWithChannelBinding(b.best())
	}}
}

func newScramClient(kind scramKind, name, password string, binding clientBinding) (*scramClient, error) {
	mechanism := scramName(kind, binding.plus)
	userprep, err := stringprep.SASLprep.Prepare(name)
	if err != nil || userprep == "" {
		return nil, fmt.Errorf("auth: %s: the user name is empty or forbidden by SASLprep (RFC 4013)", mechanism)
	}
	prepared, err := preparePassword(password)
	if err != nil {
		return nil, err
	}
	client, err := kind.hash().NewClientUnprepped(userprep, prepared, "")
	if err != nil {
		return nil, fmt.Errorf("auth: %s: %w", mechanism, err)
	}
	return &scramClient{mechanism, binding.flagged(client.WithMinIterations(minIterations))}, nil
}

type scramClient struct {
	name         string
	conversation *scram.ClientConversation
}

// Start returns the client-first-message.
func (c *scramClient) Start() (string, []byte, error) {
	first, err := c.conversation.Step("")
	if err != nil {
		return "", nil, fmt.Errorf("auth: %s: %w", c.name, err)
	}
	return c.name, []byte(first), nil
}

// Next answers the server's messages: the first with the proof, the last with
// an empty response once its signature is found good.
func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	if len(challenge) > MaxResponse {
		return nil, fmt.Errorf("auth: %s: a challenge of %d bytes, at most %d are read", c.name, len(challenge), MaxResponse)
	}
	if c.conversation.Done() {
		return nil, fmt.Errorf("auth: %s: %w", c.name, sasl.ErrUnexpectedServerChallenge)
	}
	if err := checkServerFirst(string(challenge)); err != nil {
		return nil, err
	}
	response, err := c.conversation.Step(string(challenge))
	if err != nil {
		return nil, fmt.Errorf("auth: %s: the display's message does not fit: %w", c.name, scramClientError(string(challenge)))
	}
	return []byte(response), nil
}

// Done reports whether the display has shown that it knows the password.
func (c *scramClient) Done() bool { return c.conversation.Valid() }

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

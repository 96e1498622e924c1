package auth

import (
	"errors"
	"strings"

	"github.com/xdg-go/scram"
)

// SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), and both as -PLUS, bound
// to TLS. Protocol flow:
//
//	C→S  n,,n=user,r=nonce                  (client-first-message)
//	S→C  r=nonces,s=salt,i=iterations       (server-first-message)
//	C→S  c=biws,r=nonces,p=proof            (client-final-message)
//	S→C  v=signature                        (server-final-message, with done)
//
// The first byte says what the client thinks of channel binding: n, it has
// none; y, it has, but was not offered -PLUS; p=type, it binds. The salt and the
// iterations of an unknown user are made up, so that the exchange fails at the
// proof for everybody, and for those that the guard shuts out as well.

const plusSuffix = "-PLUS"

// scramNamed takes the name of a SCRAM mechanism apart.
func scramNamed(mechanism string) (kind scramKind, plus, ok bool) {
	base, plus := strings.CutSuffix(mechanism, plusSuffix)
	for kind := range scramKinds {
		if kind.mechanism() == base {
			return kind, plus, true
		}
	}
	return 0, false, false
}

func scramName(kind scramKind, plus bool) string {
	if plus {
		return kind.mechanism() + plusSuffix
	}
	return kind.mechanism()
}

// newScram begins the server side of SCRAM. nonce is nil but in tests.
func newScram(m Mechanisms, kind scramKind, plus bool, nonce scram.NonceGeneratorFcn) *Mechanism {
	lookup := func(name string) (scram.StoredCredentials, error) {
		return m.Users.scramKeys(kind, m.claimed(name)), nil
	}
	server, err := kind.hash().NewServer(lookup)
	if err != nil {
		panic("auth: internal error: SCRAM server: " + err.Error()) // it has no reason to
	}
	if nonce != nil {
		server.WithNonceGenerator(nonce)
	}
	c := &scramServer{Mechanisms: m, plus: plus, server: server}
	mechanism := &Mechanism{name: scramName(kind, plus)}
	mechanism.step = func(response []byte) (challenge []byte, done bool, err error) {
		challenge, done, err = c.next(response)
		mechanism.id = c.id
		return challenge, done, err
	}
	return mechanism
}

type scramServer struct {
	Mechanisms
	plus         bool
	server       *scram.Server
	begun        bool
	conversation *scram.ServerConversation // nil until the client-first-message
	shutOut      error                     // the guard's, at the client-first-message
	id           Identity
}

func (c *scramServer) next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case c.conversation != nil:
		challenge, err = c.final(string(response))
		return challenge, err == nil, err
	case response == nil && !c.begun:
		c.begun = true
		return []byte{}, false, nil
	}
	challenge, err = c.first(string(response))
	return challenge, false, err
}

// first answers the client-first-message.
func (c *scramServer) first(message string) ([]byte, error) {
	binding, err := c.bind(message)
	if err != nil {
		return nil, err
	}
	if binding.IsSupported() {
		c.conversation = c.server.NewConversationWithChannelBindingRequired(binding)
	} else {
		c.conversation = c.server.NewConversation()
	}
	challenge, err := c.conversation.Step(message)
	if err != nil {
		return nil, errMalformed // the library's text quotes it
	}
	c.shutOut = c.Guard.check(c.From, c.user())
	return []byte(challenge), nil
}

// user is whose proof the exchange is about.
func (c *scramServer) user() string { return c.claimed(c.conversation.Username()) }

var errMalformed = errors.New("malformed message")

// bind takes what the client says of channel binding in its first message
// (RFC 5802, 6) and returns the binding of the exchange, if it has one.
func (c *scramServer) bind(message string) (scram.ChannelBinding, error) {
	flag, _, _ := strings.Cut(message, ",")
	name, binds := strings.CutPrefix(flag, "p=")
	switch {
	case flag == "y" && c.Binding.available():
		return scram.ChannelBinding{}, denied{"downgrade: the client did not see -PLUS in our list"}
	case c.plus != binds:
		return scram.ChannelBinding{}, denied{"the client's channel binding is not that of the mechanism"}
	case !binds:
		return scram.ChannelBinding{}, nil
	}
	binding := c.Binding.of(name)
	if !binding.IsSupported() {
		return binding, denied{"no such channel binding here"}
	}
	return binding, nil
}

// final answers the client-final-message. Who was shut out before it stays so,
// however right the proof is.
func (c *scramServer) final(message string) (challenge []byte, err error) {
	if c.shutOut != nil {
		return nil, c.shutOut
	}
	err = c.Guard.try(c.From, c.user(), func() (err error) {
		challenge, err = c.prove(message)
		return err
	})
	return challenge, err
}

// wrongProof says to the log, and there alone, what was wrong.
func (c *scramServer) wrongProof() error {
	if _, ok := c.Users.Identity(c.user()); !ok {
		return denied{"no such user"}
	}
	return denied{"wrong password"}
}

// prove checks the proof and takes the identity of its user.
func (c *scramServer) prove(message string) ([]byte, error) {
	challenge, err := c.conversation.Step(message)
	switch {
	case err != nil && challenge == scram.ErrInvalidProof:
		return nil, c.wrongProof()
	case err != nil && challenge == scram.ErrChannelBindingsDontMatch:
		return nil, denied{"the channel binding is another connection's"}
	case err != nil:
		return nil, errMalformed
	case !c.conversation.Valid():
		return nil, c.wrongProof()
	}
	authzid := c.conversation.AuthzID()
	if authzid != "" {
		authzid = c.claimed(authzid)
	}
	user := c.user()
	if err := actsFor(user, authzid); err != nil {
		return nil, err
	}
	id, ok := c.Users.Identity(user)
	if !ok {
		return nil, denied{"the user was removed"}
	}
	c.id = id
	return []byte(challenge), nil
}

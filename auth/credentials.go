package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
)

// Credentials are by what we can prove ourselves to a display over one
// connection. What is not there is not used.
type Credentials struct {
	// User and Password serve SCRAM and PLAIN. Password is asked only if one of
	// them is chosen.
	User     string
	Password func(context.Context) (string, error)
	// Token serves OAUTHBEARER, and is asked only for it.
	Token func(context.Context) (string, error)
	// Kerberos and Service ("vnc/host.example.org", the display's) serve GSSAPI.
	Kerberos *KerberosCredentials
	Service  string
	// External says that the display knows us from below already: we gave it a
	// client certificate, or it can see the credentials of our unix socket.
	External bool
	// Anonymous says that being nobody will do where nothing else does.
	Anonymous bool
	// Encrypted says that only the display can read what we send: TLS whose
	// certificate was checked, or a local socket.
	Encrypted bool
	// Binding is that of the TLS directly below, if there is one.
	Binding Binding
	// Only, if it is not empty, are the mechanisms that may be used.
	Only []string
}

// ChooseClient begins an exchange with the strongest mechanism of a display's
// list that c serves: bound SCRAM, GSSAPI, EXTERNAL, SCRAM, a token, PLAIN,
// ANONYMOUS. A client that brings a security layer (GSSAPI) is a *GSSAPIClient.
// If the display offers bound SCRAM and c has a Binding, no other SCRAM will do.
// A user without a password, or one that cannot be read, is an error when it is
// their turn: a display is not shown anything weaker because of it.
func ChooseClient(ctx context.Context, offered []string, c Credentials) (sasl.Client, error) {
	usable := slices.DeleteFunc(slices.Clone(offered), func(name string) bool {
		return len(c.Only) > 0 && !slices.Contains(c.Only, name)
	})
	for _, way := range c.ways(usable) {
		if slices.Contains(usable, way.name) {
			return way.begin(ctx)
		}
	}
	return nil, c.lacking(usable, offered)
}

// way is a mechanism that some credentials serve.
type way struct {
	name  string
	begin func(context.Context) (sasl.Client, error)
}

// ways lists what the credentials serve, strongest first.
func (c Credentials) ways(usable []string) []way {
	var ways []way
	add := func(served bool, name string, begin func(context.Context) (sasl.Client, error)) {
		if served {
			ways = append(ways, way{name, begin})
		}
	}
	password, binding := c.User != "", c.binding(usable)
	add(password && binding.plus, ScramSHA512Plus, c.scram(scram512, binding))
	add(password && binding.plus, ScramSHA256Plus, c.scram(scram256, binding))
	add(c.Kerberos != nil, GSSAPI, c.kerberos)
	add(c.External, External, func(context.Context) (sasl.Client, error) { return ExternalClient(), nil })
	add(password && !binding.plus, ScramSHA512, c.scram(scram512, binding))
	add(password && !binding.plus, ScramSHA256, c.scram(scram256, binding))
	add(c.Token != nil && c.Encrypted, OAuthBearer, c.bearer)
	add(password && c.Encrypted, Plain, c.plain)
	add(c.Anonymous, Anonymous, func(context.Context) (sasl.Client, error) { return AnonymousClient(), nil })
	return ways
}

// binding is what a SCRAM of ours says of channel binding to a display that
// offers these mechanisms (RFC 5802, 6).
func (c Credentials) binding(usable []string) clientBinding {
	could := c.Binding.available() &&
		(len(c.Only) == 0 || slices.Contains(c.Only, ScramSHA256Plus) || slices.Contains(c.Only, ScramSHA512Plus))
	switch {
	case !could:
		return unbound
	case slices.Contains(usable, ScramSHA256Plus) || slices.Contains(usable, ScramSHA512Plus):
		return bound(c.Binding)
	}
	return unseen
}

func (c Credentials) scram(kind scramKind, binding clientBinding) func(context.Context) (sasl.Client, error) {
	return func(ctx context.Context) (sasl.Client, error) {
		password, err := c.password(ctx)
		if err != nil {
			return nil, err
		}
		client, err := newScramClient(kind, c.User, password, binding)
		if err != nil {
			return nil, err
		}
		return client, nil
	}
}

func (c Credentials) plain(ctx context.Context) (sasl.Client, error) {
	password, err := c.password(ctx)
	if err != nil {
		return nil, err
	}
	return PlainClient(c.User, password), nil
}

func (c Credentials) password(ctx context.Context) (string, error) {
	if c.Password == nil {
		return "", errors.New("auth: the display asks for the password of a user, and there is none")
	}
	return c.Password(ctx)
}

func (c Credentials) kerberos(ctx context.Context) (sasl.Client, error) {
	client, err := c.Kerberos.Client(ctx, c.Service, c.Encrypted)
	if err != nil {
		return nil, err
	}
	return client, nil
}

func (c Credentials) bearer(ctx context.Context) (sasl.Client, error) {
	token, err := c.Token(ctx)
	if err != nil {
		return nil, err
	}
	return OAuthBearerClient(token)
}

// lacking says why nothing of a display's list will do.
func (c Credentials) lacking(usable, offered []string) error {
	list := strings.Join(offered, ", ")
	asks := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(usable, n) })
	}
	switch {
	case len(usable) == 0:
		return fmt.Errorf("auth: the display offers none of the mechanisms that may be used, but %s", list)
	case !c.Encrypted && asks(Plain, OAuthBearer):
		return fmt.Errorf("auth: the display offers %s, where anybody on the way could read the secret: let it use TLS, or SCRAM", list)
	case c.User == "" && asks(ScramSHA512Plus, ScramSHA256Plus, ScramSHA512, ScramSHA256, Plain):
		return fmt.Errorf("auth: the display asks for a user (%s), and there is none", list)
	case c.Kerberos == nil && asks(GSSAPI):
		return fmt.Errorf("auth: the display asks for Kerberos (%s), and nothing of it is configured", list)
	case c.Token == nil && asks(OAuthBearer):
		return fmt.Errorf("auth: the display asks for a token (%s), and there is none", list)
	}
	return fmt.Errorf("auth: the display offers nothing that we can prove ourselves by: %s", list)
}

package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Client gets a ticket for service ("vnc/host.example.org", with @REALM or
// without) from the KDC, and begins an exchange with a display. encrypted says
// that nobody between can read the channel; where it is false, the display has
// to agree to a confidential security layer. ctx bounds the talk with the KDC.
func (k KerberosCredentials) Client(ctx context.Context, service string, encrypted bool) (*GSSAPIClient, error) {
	t, err := k.ticket(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("auth: %s: ticket for %.100q: %w", GSSAPI, service, err)
	}
	return newGSSAPIClient(t, encrypted)
}

func newGSSAPIClient(t *krbTicket, encrypted bool) (*GSSAPIClient, error) {
	c := &GSSAPIClient{ticket: t, encrypted: encrypted}
	if err := c.request(); err != nil {
		return nil, fmt.Errorf("auth: %s: %w", GSSAPI, err)
	}
	c.step = c.checkProof
	return c, nil
}

// GSSAPIClient is the client side of one exchange of GSSAPI. It always asks for
// the display's own proof. It serves one connection, one call at a time.
type GSSAPIClient struct {
	ticket    *krbTicket
	encrypted bool
	token     []byte              // the AP-REQ's
	auth      types.Authenticator // in it
	step      func(challenge []byte) (response []byte, err error)
	context   *gssContext
	done      bool
	layer     *SecurityLayer
}

var _ sasl.Client = (*GSSAPIClient)(nil)

// request makes the first token.
func (c *GSSAPIClient) request() error {
	if err := checkKrbKey(c.ticket.key); err != nil {
		return fmt.Errorf("the ticket's session key: %w", err)
	}
	auth, err := types.NewAuthenticator(c.ticket.realm, c.ticket.client)
	if err != nil {
		return err
	}
	// The wire has the microseconds apart.
	auth.CTime = auth.CTime.Truncate(time.Second)
	auth.SeqNumber, auth.SubKey = randomSequence(), newKrbKey(c.ticket.key)
	auth.Cksum = gssChecksum(gssMutual | gssReplay | gssSequence | gssConfident | gssIntegrity)
	req, err := messages.NewAPReq(c.ticket.ticket, c.ticket.key, auth)
	if err != nil {
		return errors.New("AP-REQ: the authenticator cannot be encrypted")
	}
	types.SetFlag(&req.APOptions, flags.APOptionMutualRequired)
	message, err := req.Marshal()
	if err != nil {
		return fmt.Errorf("AP-REQ: %w", err)
	}
	c.auth = auth
	c.token, err = contextToken(tokenAPReq, message)
	return err
}

// Start returns the AP-REQ.
func (c *GSSAPIClient) Start() (mech string, ir []byte, err error) { return GSSAPI, c.token, nil }

// Done reports whether the display has proved itself and everything is agreed.
func (c *GSSAPIClient) Done() bool { return c.done }

// Layer returns the security layer that everything behind the SecurityResult
// goes through, once Done; ok is false where there is none.
func (c *GSSAPIClient) Layer() (l SecurityLayer, ok bool) {
	if !c.done || c.layer == nil {
		return SecurityLayer{}, false
	}
	return *c.layer, true
}

// Next answers the display: its AP-REP with an empty response, its offer of
// layers with our choice.
func (c *GSSAPIClient) Next(challenge []byte) (response []byte, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the library panicked at what the display sent")
		}
		if err != nil {
			c.step, c.done = gssapiOver, false
			response, err = nil, fmt.Errorf("auth: %s: %w", GSSAPI, err)
		}
	}()
	if len(challenge) > MaxResponse {
		return nil, fmt.Errorf("a challenge of %d bytes, at most %d are read", len(challenge), MaxResponse)
	}
	return c.step(challenge)
}

func gssapiOver([]byte) ([]byte, error) { return nil, sasl.ErrUnexpectedServerChallenge }

// checkProof takes the AP-REP: it has to hold the time of our authenticator
// (RFC 4120, 3.2.5).
func (c *GSSAPIClient) checkProof(challenge []byte) ([]byte, error) {
	id, message, err := parseContextToken(challenge)
	switch {
	case err != nil:
		return nil, err
	case id == tokenKrbError:
		return nil, krbErrorWords(message)
	case id != tokenAPRep:
		return nil, errors.New("no AP-REP")
	}
	part, err := openAPRep(c.ticket.key, message)
	if err != nil {
		return nil, err
	}
	if !part.CTime.Equal(c.auth.CTime) || part.Cusec != c.auth.Cusec {
		return nil, errors.New("AP-REP: it answers another request")
	}
	keys := contextKeys{
		key:          c.auth.SubKey,
		initiatorSeq: sequenceNumber(c.auth.SeqNumber),
		acceptorSeq:  sequenceNumber(part.SequenceNumber),
	}
	if len(part.Subkey.KeyValue) > 0 {
		keys.key, keys.acceptorSubkey = part.Subkey, true
	}
	if c.context, err = newGSSContext(keys, false); err != nil {
		return nil, fmt.Errorf("AP-REP: %w", err)
	}
	c.step = c.choose
	return []byte{}, nil
}

// krbErrorWords tells what the display's Kerberos says. The text in it is not
// authenticated, so that the number alone is read.
func krbErrorWords(message []byte) error {
	var e messages.KRBError
	if e.Unmarshal(message) != nil {
		return errors.New("malformed KRB-ERROR")
	}
	e.EText = ""
	return fmt.Errorf("the display refuses the ticket: %.200s", e.Error())
}

// choose takes the display's layers: none where the channel is encrypted
// already, if the display will have that, and confidentiality elsewhere.
func (c *GSSAPIClient) choose(challenge []byte) ([]byte, error) {
	text, _, err := c.context.receive.open(challenge)
	if err != nil {
		return nil, err
	}
	offer, err := parseLayerMessage(text)
	if err != nil {
		return nil, err
	}
	choice := layerMessage{layers: layerConfidentiality, maxToken: ourLayerToken}
	switch {
	case offer.authzid != "":
		return nil, errors.New("malformed offer of security layers")
	case c.encrypted && offer.layers&layerNone != 0:
		choice = layerMessage{layers: layerNone}
	case offer.layers&layerConfidentiality == 0:
		return nil, fmt.Errorf("the display offers no confidential security layer (%#x), and without TLS there has to be one", offer.layers)
	case offer.maxToken < minLayerToken:
		return nil, fmt.Errorf("the display takes tokens of %d bytes, fewer than %d", offer.maxToken, minLayerToken)
	default:
		c.layer = c.context.securityLayer(offer.maxToken)
	}
	c.step, c.done = gssapiOver, true
	return c.context.send.sign(choice.append(nil)), nil
}

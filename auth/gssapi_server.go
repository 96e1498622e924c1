package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
)

// DefaultKeytab is where Kerberos keeps a machine's keys.
const DefaultKeytab = "/etc/krb5.keytab"

// defaultSkew is how far clocks may be apart, as everywhere in Kerberos.
const defaultSkew = 5 * time.Minute

// KerberosService is what we are to viewers that log in by GSSAPI: a service
// whose keys are in a keytab, which is read at each log-in, so that a new one
// counts at once. It needs no KDC. One value serves all connections, since it
// remembers who has logged in lately; its fields are not changed then.
type KerberosService struct {
	// Keytab is the file with the service's keys; "" is DefaultKeytab.
	Keytab string
	// Principal is the service, "vnc/host.example.org", with @REALM or without;
	// empty stands for each that is called vnc in the keytab.
	Principal string
	// Realm is the realm whose users are known by their names alone: alice is
	// then alice@Realm. Those of other realms keep theirs. Empty: all do.
	Realm string
	// MaxSkew is how far a client's clock may be from ours; 0 is five minutes.
	MaxSkew time.Duration

	replays replayCache
	clock   func() time.Time // nil but in tests
}

// Check says whether the keytab can be read and has keys of the service.
func (s *KerberosService) Check() error {
	kt, err := loadKeytab(s.keytab())
	if err != nil {
		return fmt.Errorf("auth: keytab: %w", err)
	}
	want, err := s.principal()
	if err != nil {
		return fmt.Errorf("auth: principal: %w", err)
	}
	for _, e := range kt.Entries {
		if want.covers(servicePrincipal{e.Principal.Components, e.Principal.Realm}) && checkKrbKey(e.Key) == nil {
			return nil
		}
	}
	if s.Principal == "" {
		return fmt.Errorf("auth: keytab %s: no AES key of a service called %s", s.keytab(), defaultService)
	}
	return fmt.Errorf("auth: keytab %s: no AES key of %s", s.keytab(), s.Principal)
}

func (s *KerberosService) principal() (servicePrincipal, error) {
	if s.Principal == "" {
		return servicePrincipal{}, nil
	}
	name, realm, err := serviceName(s.Principal)
	return servicePrincipal{name.NameString, realm}, err
}

func (s *KerberosService) keytab() string {
	if s.Keytab == "" {
		return DefaultKeytab
	}
	return s.Keytab
}

func (s *KerberosService) skew() time.Duration {
	if s.MaxSkew > 0 {
		return s.MaxSkew
	}
	return defaultSkew
}

func (s *KerberosService) now() time.Time {
	if s.clock != nil {
		return s.clock()
	}
	return time.Now()
}

// begin begins an exchange. In a channel that is encrypted there is no security
// layer. Elsewhere there has to be one, and it has to be confidential.
func (s *KerberosService) begin(encrypted bool) *gssapiServer {
	g := &gssapiServer{service: s, offer: layerMessage{layers: layerNone}}
	if !encrypted {
		g.offer = layerMessage{layers: layerConfidentiality, maxToken: ourLayerToken}
	}
	g.next = g.accept
	g.Mechanism = &Mechanism{name: GSSAPI, step: func(response []byte) ([]byte, bool, error) { return g.next(response) }, layer: g.agreed}
	return g
}

// gssapiServer is the Mechanism that may end with a security layer.
type gssapiServer struct {
	*Mechanism
	service *KerberosService
	offer   layerMessage
	next    func(response []byte) (challenge []byte, done bool, err error)

	context         *gssContext
	user, principal string // who the client is: to us, and in full
	chosen          *SecurityLayer
}

// agreed is the Layer of the Mechanism.
func (g *gssapiServer) agreed() (l SecurityLayer, ok bool) {
	if g.state != proved || g.chosen == nil {
		return SecurityLayer{}, false
	}
	return *g.chosen, true
}

// accept takes the AP-REQ.
func (g *gssapiServer) accept(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	req, err := g.service.verify(response)
	if err != nil {
		return nil, false, err
	}
	if g.user, err = principalName(req.client, req.realm, g.service.Realm); err != nil {
		return nil, false, denied{err.Error()}
	}
	if g.principal, err = principalName(req.client, req.realm, ""); err != nil {
		return nil, false, denied{err.Error()}
	}
	const forLayer = gssMutual | gssConfident | gssIntegrity
	if g.offer.layers != layerNone && req.flags&forLayer != forLayer {
		return nil, false, denied{"the client wants no security layer, and without TLS there has to be one"}
	}
	if req.flags&gssMutual == 0 {
		// Only a client that wants a layer has to ask for our proof (RFC 4752,
		// 3.1). Without it both number their tokens alike, as MIT does.
		seq := sequenceNumber(req.auth.SeqNumber)
		keys := contextKeys{key: req.subkey(), initiatorSeq: seq, acceptorSeq: seq}
		if g.context, err = newGSSContext(keys, true); err != nil {
			return nil, false, err
		}
		return g.offerLayers(nil)
	}
	return g.prove(req)
}

// prove answers with the AP-REP. Its subkey is new, so that what a client says
// behind it was never said before.
func (g *gssapiServer) prove(req *request) (challenge []byte, done bool, err error) {
	part := messages.EncAPRepPart{
		CTime:          req.auth.CTime,
		Cusec:          req.auth.Cusec,
		Subkey:         newKrbKey(req.subkey()),
		SequenceNumber: randomSequence(),
	}
	keys := contextKeys{
		key:            part.Subkey,
		acceptorSubkey: true,
		initiatorSeq:   sequenceNumber(req.auth.SeqNumber),
		acceptorSeq:    sequenceNumber(part.SequenceNumber),
	}
	if g.context, err = newGSSContext(keys, true); err != nil {
		return nil, false, err
	}
	g.next = g.offerLayers
	challenge, err = apRep(req.session, part)
	return challenge, false, err
}

// offerLayers takes the empty response to the AP-REP.
func (g *gssapiServer) offerLayers(response []byte) ([]byte, bool, error) {
	if len(response) > 0 {
		return nil, false, fmt.Errorf("%d bytes where the client has nothing to say", len(response))
	}
	g.next = g.choose
	return g.context.send.sign(g.offer.append(nil)), false, nil
}

// choose takes the client's layer and for whom it acts.
func (g *gssapiServer) choose(response []byte) ([]byte, bool, error) {
	text, _, err := g.context.receive.open(response)
	if err != nil {
		return nil, false, err
	}
	choice, err := parseLayerMessage(text)
	if err != nil {
		return nil, false, err
	}
	switch {
	case choice.layers != g.offer.layers: // which is one bit
		return nil, false, denied{fmt.Sprintf("the client chose security layer %d, %d was offered", choice.layers, g.offer.layers)}
	case choice.layers == layerNone && choice.maxToken != 0:
		return nil, false, errors.New("a token size beside no security layer")
	case choice.authzid != "" && choice.authzid != g.user && choice.authzid != g.principal:
		return nil, false, denied{"one principal asks to act for another"}
	}
	if choice.layers == layerConfidentiality {
		if choice.maxToken < minLayerToken {
			return nil, false, fmt.Errorf("the client takes tokens of %d bytes, fewer than %d", choice.maxToken, minLayerToken)
		}
		g.chosen = g.context.securityLayer(choice.maxToken)
	}
	g.id = Identity{Name: g.user}
	return nil, true, nil
}

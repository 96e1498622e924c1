package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// negotiate runs an exchange up to the offer of layers and returns the offer.
func negotiate(t *testing.T, client *GSSAPIClient, server *gssapiServer) (offer []byte) {
	t.Helper()
	_, token, err := client.Start()
	must(t, err)
	proof, _, err := server.Next(token)
	must(t, err)
	empty, err := client.Next(proof)
	if empty == nil || len(empty) > 0 || err != nil {
		t.Fatalf("the client answers the proof with %q, %v", empty, err)
	}
	offer, _, err = server.Next(empty)
	must(t, err)
	return offer
}

// What a client may choose, and for whom it may act (RFC 4752, 3.1 and 3.2).
func TestGSSAPIChoices(t *testing.T) {
	service := newKerberosService(t, aes256)
	for name, c := range map[string]struct {
		encrypted bool
		choice    string
		denied    bool
		ok        bool
	}{
		"none":                    {true, "\x01\x00\x00\x00", false, true},
		"as herself":              {true, "\x01\x00\x00\x00alice", false, true},
		"by her full name":        {true, "\x01\x00\x00\x00alice@EXAMPLE.ORG", false, true},
		"as another":              {true, "\x01\x00\x00\x00bob", true, false},
		"of another realm":        {true, "\x01\x00\x00\x00alice@OTHER.ORG", true, false},
		"in other letters":        {true, "\x01\x00\x00\x00Alice", true, false},
		"with a NUL":              {true, "\x01\x00\x00\x00alice\x00", true, false},
		"a size and no layer":     {true, "\x01\x00\x10\x00", false, false},
		"a layer under TLS":       {true, "\x04\x00\x10\x00", true, false},
		"confidential":            {false, "\x04\x00\x10\x00", false, true},
		"confidential as herself": {false, "\x04\x00\x10\x00alice", false, true},
		"none without TLS":        {false, "\x01\x00\x00\x00", true, false},
		"integrity":               {false, "\x02\x00\x10\x00", true, false},
		"two layers":              {false, "\x05\x00\x10\x00", true, false},
		"no layer at all":         {false, "\x00\x00\x10\x00", true, false},
		"tiny tokens":             {false, "\x04\x00\x00\xff", false, false},
		"small tokens":            {false, "\x04\x00\x01\x00", false, true},
		"large tokens":            {false, "\x04\xff\xff\xff", false, true},
		"cut short":               {false, "\x04\x00\x10", false, false},
		"nothing":                 {false, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := newInitiator(t, issue(t, aes256, nil), c.encrypted), service.begin(c.encrypted)
			wrapped := negotiate(t, client, server)
			offer, _, err := client.context.receive.open(wrapped)
			must(t, err)
			if want := map[bool]string{true: "\x01\x00\x00\x00", false: "\x04\x01\x00\x00"}[c.encrypted]; string(offer) != want {
				t.Errorf("offered % x", offer)
			}
			_, done, err := server.Next(client.context.send.sign([]byte(c.choice)))
			if done != c.ok || (err == nil) != c.ok || errors.Is(err, ErrDenied) != c.denied {
				t.Fatalf("done %v, %v", done, err)
			}
			if l, ok := server.Layer(); ok != (c.ok && !c.encrypted) || ok && (l.MaxSend > ourLayerToken || l.MaxSend < 100) {
				t.Errorf("layer %v, sends %d bytes", ok, l.MaxSend)
			}
		})
	}
}

// requestWith is the first token of a client that does as it likes.
func requestWith(t testing.TB, ticket *krbTicket, change func(*types.Authenticator)) []byte {
	t.Helper()
	auth, err := types.NewAuthenticator(ticket.realm, ticket.client)
	must(t, err)
	auth.Cksum = gssChecksum(gssMutual | gssConfident | gssIntegrity)
	if change != nil {
		change(&auth)
	}
	plain, err := auth.Marshal()
	must(t, err)
	enc, err := encryptKrb(plain, ticket.key, keyusage.AP_REQ_AUTHENTICATOR)
	must(t, err)
	return frameRequest(t, messages.APReq{PVNO: 5, MsgType: 14, APOptions: types.NewKrbFlags(), Ticket: ticket.ticket, EncryptedAuthenticator: enc})
}

func frameRequest(t testing.TB, req messages.APReq) []byte {
	t.Helper()
	message, err := req.Marshal()
	must(t, err)
	token, err := contextToken(tokenAPReq, message)
	must(t, err)
	return token
}

func TestGSSAPIRequests(t *testing.T) {
	service := newKerberosService(t, aes128, aes256)
	for name, c := range map[string]struct {
		change func(*types.Authenticator)
		want   string // in the error; "": taken
	}{
		"as it should be": {nil, ""},
		"another client":  {func(a *types.Authenticator) { a.CName.NameString = []string{"bob"} }, "names another client"},
		"another realm":   {func(a *types.Authenticator) { a.CRealm = "OTHER.ORG" }, "names another client"},
		"another version": {func(a *types.Authenticator) { a.AVNO = 4 }, "malformed authenticator"},
		"not GSS-API":     {func(a *types.Authenticator) { a.Cksum.CksumType = 16 }, "not one of GSS-API"},
		"no checksum":     {func(a *types.Authenticator) { a.Cksum = types.Checksum{} }, "not one of GSS-API"},
		"short checksum":  {func(a *types.Authenticator) { a.Cksum.Checksum = a.Cksum.Checksum[:23] }, "not one of GSS-API"},
		"odd bindings":    {func(a *types.Authenticator) { a.Cksum.Checksum[0] = 17 }, "not one of GSS-API"},
		"some bindings":   {func(a *types.Authenticator) { a.Cksum.Checksum[4] = 1 }, ""},
		"delegation":      {func(a *types.Authenticator) { a.Cksum.Checksum = append(a.Cksum.Checksum, 1, 0, 0, 0) }, ""},
		"no proof asked":  {func(a *types.Authenticator) { a.Cksum = gssChecksum(gssConfident | gssIntegrity) }, "wants no security layer"},
		"no sealing":      {func(a *types.Authenticator) { a.Cksum = gssChecksum(gssMutual | gssIntegrity) }, "wants no security layer"},
		"its own key":     {func(a *types.Authenticator) { a.SubKey = newKrbKey(types.EncryptionKey{KeyType: aes128}) }, ""},
		"a weak key":      {func(a *types.Authenticator) { a.SubKey = types.EncryptionKey{KeyType: 23, KeyValue: make([]byte, 16)} }, "not one of the AES enctypes"},
		"a short key": {func(a *types.Authenticator) {
			a.SubKey = types.EncryptionKey{KeyType: aes256, KeyValue: make([]byte, 31)}
		}, "has 31 bytes, not 32"},
		"long ago":          {func(a *types.Authenticator) { a.CTime = a.CTime.Add(-time.Hour) }, "clock"},
		"a negative number": {func(a *types.Authenticator) { a.SeqNumber = -2 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			challenge, done, err := service.begin(false).Next(requestWith(t, issue(t, aes256, nil), c.change))
			if done || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if (len(challenge) > 0) != (c.want == "") {
				t.Errorf("a challenge of %d bytes, %v", len(challenge), err)
			}
		})
	}
}

// A ticket whose session key is RC4's cannot be used, though its own key is AES.
func TestGSSAPIWeakSession(t *testing.T) {
	ticket := issue(t, aes256, func(g *grant) { g.Key = types.EncryptionKey{KeyType: 23, KeyValue: make([]byte, 16)} })
	token := frameRequest(t, messages.APReq{PVNO: 5, MsgType: 14, APOptions: types.NewKrbFlags(), Ticket: ticket.ticket,
		EncryptedAuthenticator: types.EncryptedData{EType: 23, Cipher: make([]byte, 100)}})
	if _, _, err := newKerberosService(t, aes256).begin(true).Next(token); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "session key") {
		t.Error(err)
	}
}

func TestGSSAPIBrokenRequests(t *testing.T) {
	service := newKerberosService(t, aes256)
	ticket := issue(t, aes256, nil)
	good := requestWith(t, ticket, nil)
	change := func(f func(*messages.APReq)) []byte {
		req := messages.APReq{PVNO: 5, MsgType: 14, APOptions: types.NewKrbFlags(), Ticket: ticket.ticket,
			EncryptedAuthenticator: types.EncryptedData{EType: aes256, Cipher: make([]byte, 100)}}
		f(&req)
		return frameRequest(t, req)
	}
	rep, err := apRep(ticket.key, messages.EncAPRepPart{CTime: time.Now().UTC()})
	must(t, err)
	for name, c := range map[string]struct {
		token []byte
		want  string
	}{
		"nothing":               {[]byte{}, "not a GSS-API token"},
		"cut":                   {good[:len(good)-1], "not a GSS-API token"},
		"more behind":           {append(good[:len(good):len(good)], 0), "not a GSS-API token"},
		"SPNEGO":                {[]byte("\x60\x08\x06\x06\x2b\x06\x01\x05\x05\x02"), "another mechanism"},
		"frame alone":           {[]byte("\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"), "without its message"},
		"empty message":         {[]byte("\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00"), "malformed AP-REQ"},
		"AP-REP":                {rep, "malformed AP-REQ"},
		"too long":              {make([]byte, MaxResponse+1), "at most"},
		"version 4":             {change(func(r *messages.APReq) { r.PVNO = 4 }), "another version"},
		"ticket of version 4":   {change(func(r *messages.APReq) { r.Ticket.TktVNO = 4 }), "another version"},
		"no service":            {change(func(r *messages.APReq) { r.Ticket.SName.NameString = nil }), "malformed AP-REQ"},
		"RC4 ticket":            {change(func(r *messages.APReq) { r.Ticket.EncPart.EType = 23 }), "give the service AES keys"},
		"empty ticket":          {change(func(r *messages.APReq) { r.Ticket.EncPart.Cipher = nil }), "not made with the key"},
		"short ticket":          {change(func(r *messages.APReq) { r.Ticket.EncPart.Cipher = make([]byte, 29) }), "not made with the key"},
		"empty authenticator":   {change(func(r *messages.APReq) { r.EncryptedAuthenticator.Cipher = nil }), "not made with the ticket's key"},
		"false authenticator":   {change(func(*messages.APReq) {}), "not made with the ticket's key"},
		"another enctype in it": {change(func(r *messages.APReq) { r.EncryptedAuthenticator.EType = aes128 }), "not made with the ticket's key"},
	} {
		t.Run(name, func(t *testing.T) {
			server := service.begin(true)
			challenge, done, err := server.Next(c.token)
			if challenge != nil || done || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v, %v; want %q", challenge, done, err, c.want)
			}
			if _, _, err := server.Next(good); err == nil {
				t.Error("a second try on the same exchange")
			}
		})
	}
}

// Without the server's proof the client goes on at once, which Cyrus SASL does
// when something below is strong enough.
func TestGSSAPIWithoutProof(t *testing.T) {
	ticket := issue(t, aes256, nil)
	var auth types.Authenticator
	token := requestWith(t, ticket, func(a *types.Authenticator) {
		a.Cksum = gssChecksum(gssIntegrity)
		auth = *a
	})
	server := newKerberosService(t, aes256).begin(true)
	offer, done, err := server.Next(token)
	if done || err != nil {
		t.Fatal(done, err)
	}
	seq := sequenceNumber(auth.SeqNumber)
	client, err := newGSSContext(contextKeys{key: ticket.key, initiatorSeq: seq, acceptorSeq: seq}, false)
	must(t, err)
	if text, sealed, err := client.receive.open(offer); string(text) != "\x01\x00\x00\x00" || sealed || err != nil {
		t.Errorf("offered % x, sealed %v, %v", text, sealed, err)
	}
	if _, done, err := server.Next(client.send.sign([]byte("\x01\x00\x00\x00"))); !done || err != nil || server.Username() != "alice" {
		t.Error(done, err, server.Username())
	}
}

func TestGSSAPIResponseToProof(t *testing.T) {
	client, server := newInitiator(t, issue(t, aes256, nil), true), newKerberosService(t, aes256).begin(true)
	_, token, _ := client.Start()
	_, _, err := server.Next(token)
	must(t, err)
	if _, _, err := server.Next([]byte("x")); err == nil {
		t.Error("takes what should be empty")
	}
}

// What a display may offer us.
func TestGSSAPIOffers(t *testing.T) {
	for name, c := range map[string]struct {
		encrypted bool
		offer     string
		want      string // what we choose, or what the error says
		ok        bool
	}{
		"none under TLS":                          {true, "\x01\x00\x00\x00", "\x01\x00\x00\x00", true},
		"everything under TLS":                    {true, "\x07\x00\x20\x00", "\x01\x00\x00\x00", true},
		"a display that knows nothing of our TLS": {true, "\x04\x00\x20\x00", "\x04\x01\x00\x00", true},
		"as QEMU does":                            {false, "\x04\x00\x20\x00", "\x04\x01\x00\x00", true},
		"everything":                              {false, "\x07\xff\xff\xff", "\x04\x01\x00\x00", true},
		"none without TLS":                        {false, "\x01\x00\x00\x00", "no confidential security layer (0x1)", false},
		"integrity":                               {false, "\x03\x00\x20\x00", "no confidential security layer (0x3)", false},
		"integrity under TLS":                     {true, "\x02\x00\x20\x00", "no confidential security layer (0x2)", false},
		"tiny tokens":                             {false, "\x04\x00\x00\xff", "tokens of 255 bytes", false},
		"more than an offer":                      {false, "\x04\x00\x20\x00x", "malformed", false},
		"less than an offer":                      {false, "\x04\x00\x20", "malformed", false},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := newInitiator(t, issue(t, aes256, nil), c.encrypted), newKerberosService(t, aes256).begin(false)
			_, token, _ := client.Start()
			proof, _, err := server.Next(token)
			must(t, err)
			_, err = client.Next(proof)
			must(t, err)
			answer, err := client.Next(server.context.send.sign([]byte(c.offer)))
			if client.Done() != c.ok || (err == nil) != c.ok {
				t.Fatalf("done %v, %v", client.Done(), err)
			}
			if err != nil {
				if answer != nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%q, %v", answer, err)
				}
				return
			}
			if got, sealed, err := server.context.receive.open(answer); string(got) != c.want || sealed || err != nil {
				t.Errorf("chose % x, sealed %v, %v", got, sealed, err)
			}
			if _, ok := client.Layer(); ok != (c.want[0] == layerConfidentiality) {
				t.Errorf("layer %v", ok)
			}
		})
	}
}

// A display that does not prove itself gets nothing.
func TestGSSAPIFalseDisplays(t *testing.T) {
	ticket := issue(t, aes256, nil)
	client := newInitiator(t, ticket, true)
	proof := func(key types.EncryptionKey, change func(*messages.EncAPRepPart)) func(*GSSAPIClient) []byte {
		return func(c *GSSAPIClient) []byte {
			part := messages.EncAPRepPart{CTime: c.auth.CTime, Cusec: c.auth.Cusec}
			if change != nil {
				change(&part)
			}
			token, err := apRep(key, part)
			must(t, err)
			return token
		}
	}
	fixed := func(b []byte) func(*GSSAPIClient) []byte { return func(*GSSAPIClient) []byte { return b } }
	krbError := messages.NewKRBError(ticket.ticket.SName, testRealm, 37, "pay me")
	message, err := krbError.Marshal()
	must(t, err)
	refusal, err := contextToken(tokenKrbError, message)
	must(t, err)
	brokenRefusal, err := contextToken(tokenKrbError, message[:10])
	must(t, err)
	brokenRep, err := contextToken(tokenAPRep, message)
	must(t, err)
	_, request, _ := client.Start()
	for name, c := range map[string]struct {
		challenge func(*GSSAPIClient) []byte
		want      string // in the error; "": proved
	}{
		"the right one":    {proof(ticket.key, nil), ""},
		"another's key":    {proof(newKrbKey(ticket.key), nil), "its integrity check fails"},
		"another time":     {proof(ticket.key, func(p *messages.EncAPRepPart) { p.CTime = p.CTime.Add(time.Second) }), "another request"},
		"another fraction": {proof(ticket.key, func(p *messages.EncAPRepPart) { p.Cusec++ }), "another request"},
		"a weak subkey": {proof(ticket.key, func(p *messages.EncAPRepPart) {
			p.Subkey = types.EncryptionKey{KeyType: 23, KeyValue: make([]byte, 16)}
		}), "not one of the AES"},
		"a shorter subkey": {proof(ticket.key, func(p *messages.EncAPRepPart) { p.Subkey = newKrbKey(types.EncryptionKey{KeyType: aes128}) }), ""},
		"our own request":  {fixed(request), "no AP-REP"},
		"nothing":          {fixed(nil), "not a GSS-API token"},
		"a refusal":        {fixed(refusal), "KRB_AP_ERR_SKEW"},
		"half a refusal":   {fixed(brokenRefusal), "malformed KRB-ERROR"},
		"a broken AP-REP":  {fixed(brokenRep), "malformed AP-REP"},
		"too long":         {fixed(make([]byte, MaxResponse+1)), "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newInitiator(t, ticket, true)
			answer, err := client.Next(c.challenge(client))
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "pay me")) {
				t.Errorf("%q, %v; want %q", answer, err, c.want)
			}
			if client.Done() {
				t.Error("done")
			}
			if err == nil {
				return
			}
			if _, err := client.Next(c.challenge(client)); err == nil {
				t.Error("a second try on the same exchange")
			}
		})
	}
}

// The AP-REQ asks for the display's proof, in the flags that MIT and Windows
// look at.
func TestGSSAPIAsksForProof(t *testing.T) {
	_, token, err := newInitiator(t, issue(t, aes256, nil), true).Start()
	must(t, err)
	id, message, err := parseContextToken(token)
	must(t, err)
	var req messages.APReq
	must(t, req.Unmarshal(message))
	if id != tokenAPReq || !types.IsFlagSet(&req.APOptions, flags.APOptionMutualRequired) {
		t.Errorf("token %#x, options %v", id, req.APOptions)
	}
}

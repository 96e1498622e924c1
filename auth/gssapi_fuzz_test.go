package auth

import (
	"errors"
	"testing"

	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Whatever a client sends, it ends in an error without a word to it, or it is a
// request of the ticket's owner.
func FuzzGSSAPIServer(f *testing.F) {
	service := newKerberosService(f, aes256)
	ticket := issue(f, aes256, nil)
	good := requestWith(f, ticket, nil)
	f.Add(good, []byte{}, []byte{})
	f.Add(requestWith(f, ticket, func(a *types.Authenticator) { a.Cksum = gssChecksum(0) }), []byte("x"), []byte{})
	f.Add(frameRequest(f, messages.APReq{PVNO: 5, MsgType: 14, APOptions: types.NewKrbFlags(), Ticket: ticket.ticket}), []byte{}, good)
	f.Add([]byte("\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00"), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		service.replays = replayCache{}
		server := service.begin(len(second)%2 == 0)
		for _, response := range [][]byte{first, second, third} {
			challenge, done, err := server.Next(response)
			if err != nil && (challenge != nil || done || server.Username() != "") {
				t.Fatalf("%q, %v beside %v", challenge, done, err)
			}
			if done || server.Username() != "" {
				t.Fatal("somebody without a key is let in")
			}
			if err != nil {
				return
			}
		}
	})
}

// Whatever a display sends without the ticket's key, nothing is proved.
func FuzzGSSAPIClient(f *testing.F) {
	ticket := issue(f, aes256, nil)
	client := newInitiator(f, ticket, false)
	part := messages.EncAPRepPart{CTime: client.auth.CTime, Cusec: client.auth.Cusec, Subkey: newKrbKey(ticket.key)}
	proof, err := apRep(ticket.key, part)
	must(f, err)
	f.Add(proof, []byte{})
	krbError := messages.NewKRBError(ticket.ticket.SName, testRealm, 37, "")
	message, err := krbError.Marshal()
	must(f, err)
	refusal, err := contextToken(tokenKrbError, message)
	must(f, err)
	f.Add(refusal, refusal)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		client := newInitiator(t, ticket, false)
		for _, challenge := range [][]byte{first, second} {
			response, err := client.Next(challenge)
			if client.Done() || err != nil && response != nil {
				t.Fatalf("done %v, %q beside %v", client.Done(), response, err)
			}
		}
		if _, err := client.Next(nil); err == nil {
			t.Fatal("it goes on")
		}
	})
}

// What is behind the key is parsed too: the one who has a ticket may be the
// attacker.
func FuzzGSSAPIInside(f *testing.F) {
	service := newKerberosService(f, aes256)
	ticket := issue(f, aes256, nil)
	auth, err := types.NewAuthenticator(ticket.realm, ticket.client)
	must(f, err)
	auth.Cksum = gssChecksum(gssMutual)
	plain, err := auth.Marshal()
	must(f, err)
	f.Add(plain, []byte("\x01\x00\x00\x00alice"))
	f.Add([]byte{0x62, 0x02, 0x30, 0x00}, []byte{})
	f.Fuzz(func(t *testing.T, plain, choice []byte) {
		service.replays = replayCache{}
		enc, err := encryptKrb(append(plain[:len(plain):len(plain)], 0), ticket.key, keyusage.AP_REQ_AUTHENTICATOR)
		must(t, err)
		server := service.begin(true)
		challenge, _, err := server.Next(frameRequest(t, messages.APReq{PVNO: 5, MsgType: 14, APOptions: types.NewKrbFlags(), Ticket: ticket.ticket, EncryptedAuthenticator: enc}))
		if _, _, noProof := parseContextToken(challenge); err == nil && noProof == nil {
			_, _, err = server.Next([]byte{})
		}
		if err != nil {
			return
		}
		client := server.context.receive // its own key and number
		_, done, err := server.Next(client.sign(choice))
		if done != (err == nil) || done != (server.Username() == "alice") || errors.Is(err, errIntegrity) {
			t.Fatalf("done %v, user %q, %v", done, server.Username(), err)
		}
	})
}

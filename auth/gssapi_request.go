package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// request is an AP-REQ that was found good.
type request struct {
	client  types.PrincipalName
	realm   string // the client's
	session types.EncryptionKey
	auth    types.Authenticator
	flags   uint32 // the context's
}

// subkey is the key that the client would use: its own, or the ticket's.
func (r request) subkey() types.EncryptionKey {
	if len(r.auth.SubKey.KeyValue) > 0 {
		return r.auth.SubKey
	}
	return r.session
}

// verify opens a client's first token (RFC 4120, 3.2.3).
func (s *KerberosService) verify(token []byte) (*request, error) {
	id, message, err := parseContextToken(token)
	if err != nil {
		return nil, err
	}
	var req messages.APReq
	if id != tokenAPReq || req.Unmarshal(message) != nil || len(req.Ticket.SName.NameString) == 0 {
		return nil, errors.New("malformed AP-REQ")
	}
	if req.PVNO != iana.PVNO || req.Ticket.TktVNO != iana.PVNO {
		return nil, errors.New("AP-REQ of another version than 5")
	}
	if err := s.openTicket(&req.Ticket); err != nil {
		return nil, err
	}
	now := s.now()
	if err := s.checkTicket(req.Ticket.DecryptedEncPart, req.Ticket.Realm, now); err != nil {
		return nil, err
	}
	r, err := s.openAuthenticator(req)
	if err != nil {
		return nil, err
	}
	at := authenticatorTime(r.auth.CTime, r.auth.Cusec)
	if skew := now.Sub(at).Abs(); skew > s.skew() {
		return nil, denied{fmt.Sprintf("the client's clock and ours differ by %v, more than %v", skew.Round(time.Second), s.skew())}
	}
	return r, s.replays.add(req.EncryptedAuthenticator.Cipher, now, at.Add(s.skew()))
}

// openTicket decrypts a ticket with the keytab as it is now.
func (s *KerberosService) openTicket(t *messages.Ticket) error {
	if enctypeKeyLen(t.EncPart.EType) == 0 {
		return denied{fmt.Sprintf("the ticket is encrypted with enctype %d, which is none of AES: give the service AES keys", t.EncPart.EType)}
	}
	kt, err := loadKeytab(s.keytab())
	if err != nil {
		return fmt.Errorf("keytab: %w", err)
	}
	want, err := s.principal()
	if err != nil {
		return err
	}
	keys, err := serviceKeys(kt, want, ticketKey{servicePrincipal{t.SName.NameString, t.Realm}, t.EncPart.EType, uint32(t.EncPart.KVNO)})
	if err != nil {
		return err
	}
	for _, key := range keys {
		plain, err := decryptKrb(t.EncPart, key, keyusage.KDC_REP_TICKET)
		if err != nil {
			continue
		}
		if t.DecryptedEncPart.Unmarshal(plain) != nil {
			return errors.New("malformed ticket")
		}
		return nil
	}
	return denied{"the ticket was not made with the key that the keytab has for it: was the keytab made for another realm, or before the key changed?"}
}

// checkTicket checks what the KDC says in a ticket. Addresses, which are hardly
// ever in one and mean nothing behind a translator of them, are not looked at;
// nor does MIT's acceptor.
func (s *KerberosService) checkTicket(t messages.EncTicketPart, realm string, now time.Time) error {
	flag := func(i int) bool { return len(t.Flags.Bytes) > i/8 && types.IsFlagSet(&t.Flags, i) }
	start := t.StartTime
	if start.IsZero() {
		start = t.AuthTime
	}
	switch {
	case start.Sub(now) > s.skew() || flag(flags.Invalid):
		return denied{"the ticket is not valid yet"}
	case now.Sub(t.EndTime) > s.skew():
		return denied{"the ticket has expired"}
	case t.CRealm != realm && len(t.Transited.Contents) > 0 && !flag(flags.TransitedPolicyChecked):
		return denied{"the ticket came through realms that the KDC has not checked"}
	}
	return nil
}

// openAuthenticator checks that the client has the ticket's key.
func (s *KerberosService) openAuthenticator(req messages.APReq) (*request, error) {
	ticket := req.Ticket.DecryptedEncPart
	r := &request{client: ticket.CName, realm: ticket.CRealm, session: ticket.Key}
	if err := checkKrbKey(r.session); err != nil {
		return nil, denied{"the ticket's session key: " + err.Error()}
	}
	plain, err := decryptKrb(req.EncryptedAuthenticator, r.session, keyusage.AP_REQ_AUTHENTICATOR)
	if err != nil {
		return nil, denied{"the authenticator was not made with the ticket's key"}
	}
	if r.auth.Unmarshal(plain) != nil || r.auth.AVNO != iana.PVNO {
		return nil, errors.New("malformed authenticator")
	}
	if !r.auth.CName.Equal(r.client) || r.auth.CRealm != r.realm {
		return nil, denied{"the authenticator names another client than the ticket"}
	}
	if err := checkKrbKey(r.subkey()); err != nil {
		return nil, denied{"the authenticator's subkey: " + err.Error()}
	}
	if r.flags, err = gssFlags(r.auth.Cksum); err != nil {
		return nil, err
	}
	return r, nil
}

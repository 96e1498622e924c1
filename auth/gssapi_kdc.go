package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	krbconfig "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// The talk with a KDC (RFC 4120, 3.1 and 3.3). Protocol flow, each a U32 length
// and a message, on a TCP connection of its own:
//
//	C→K  AS-REQ
//	K→C  KRB-ERROR: prove that you have the key (pre-authentication)
//	C→K  AS-REQ with the time, encrypted with our key
//	K→C  AS-REP: a ticket that gets others
//	C→K  TGS-REQ with it
//	K→C  TGS-REP: the service's ticket
//
// The library's client is left alone: it waits without a context, takes
// messages of any length, and keeps goroutines.
const (
	maxKDCReply = 256 << 10 // bytes
	kdcTimeout  = 5 * time.Second
)

// login gets the ticket that gets others.
func (k KerberosCredentials) login(ctx context.Context, conf *krbconfig.Config) (*krbTicket, error) {
	name, realm, err := k.client(conf)
	if err != nil {
		return nil, err
	}
	req, err := messages.NewASReqForTGT(realm, conf, name)
	if err != nil {
		return nil, fmt.Errorf("AS-REQ: %w", err)
	}
	reply, err := exchangeAS(ctx, conf, &req)
	var refused *kdcRefusal
	var hints types.PADataSequence
	if errors.As(err, &refused) && refused.ErrorCode == errorcode.KDC_ERR_PREAUTH_REQUIRED {
		if hints.Unmarshal(refused.EData) != nil {
			return nil, errors.New("malformed KRB-ERROR")
		}
		if err := k.preauthenticate(&req, hints); err != nil {
			return nil, err
		}
		reply, err = exchangeAS(ctx, conf, &req)
	}
	if err != nil {
		return nil, err
	}
	return k.openASRep(reply, req, hints)
}

func exchangeAS(ctx context.Context, conf *krbconfig.Config, req *messages.ASReq) ([]byte, error) {
	message, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("AS-REQ: %w", err)
	}
	return askKDC(ctx, conf, req.ReqBody.Realm, message)
}

// preauthenticate puts the time under our key into a request (RFC 4120, 5.2.7.2).
func (k KerberosCredentials) preauthenticate(req *messages.ASReq, hints types.PADataSequence) error {
	key, err := k.secretKey(req.ReqBody.CName, req.ReqBody.Realm, keyHint(hints, 0))
	if err != nil {
		return err
	}
	stamp, err := types.GetPAEncTSEncAsnMarshalled()
	if err != nil {
		return fmt.Errorf("pre-authentication: %w", err)
	}
	enc, err := encryptKrb(stamp, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP)
	if err != nil {
		return fmt.Errorf("pre-authentication: %w", err)
	}
	value, err := enc.Marshal()
	if err != nil {
		return fmt.Errorf("pre-authentication: %w", err)
	}
	req.PAData = append(req.PAData, types.PAData{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: value})
	return nil
}

// keyHint is what a KDC says of our key's enctype and salt (RFC 4120, 5.2.7.5):
// the entry of enctype, or if that is 0 the first that we can use.
func keyHint(hints types.PADataSequence, enctype int32) types.ETypeInfo2Entry {
	for _, hint := range hints {
		if hint.PADataType != patype.PA_ETYPE_INFO2 {
			continue
		}
		entries, err := hint.GetETypeInfo2()
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.EType == enctype || enctype == 0 && enctypeKeyLen(e.EType) > 0 {
				return e
			}
		}
	}
	return types.ETypeInfo2Entry{EType: enctype}
}

// openASRep checks that the answer is the KDC's, and to this request. hints are
// those that came before, for a KDC that does not repeat them.
func (k KerberosCredentials) openASRep(reply []byte, req messages.ASReq, hints types.PADataSequence) (*krbTicket, error) {
	var rep messages.ASRep
	if rep.Unmarshal(reply) != nil {
		return nil, errors.New("malformed AS-REP")
	}
	name, realm := req.ReqBody.CName, req.ReqBody.Realm
	if !rep.CName.Equal(name) || rep.CRealm != realm {
		return nil, errors.New("AS-REP for another principal")
	}
	key, err := k.secretKey(name, realm, keyHint(append(rep.PAData, hints...), rep.EncPart.EType))
	if err != nil {
		return nil, err
	}
	part, err := openKDCRep(rep.KDCRepFields, key, keyusage.AS_REP_ENCPART, req.ReqBody)
	if err != nil {
		return nil, fmt.Errorf("AS-REP: %w", err)
	}
	return &krbTicket{ticket: rep.Ticket, key: part.Key, client: name, realm: realm}, nil
}

// openKDCRep decrypts what a KDC answers and checks that it answers body.
func openKDCRep(rep messages.KDCRepFields, key types.EncryptionKey, usage uint32, body messages.KDCReqBody) (part messages.EncKDCRepPart, err error) {
	plain, err := decryptKrb(rep.EncPart, key, usage)
	if err != nil {
		return part, err
	}
	switch {
	case part.Unmarshal(plain) != nil:
		return part, errors.New("malformed part")
	case part.Nonce != body.Nonce:
		return part, errors.New("it answers another request")
	case !part.SName.Equal(body.SName) || part.SRealm != body.Realm ||
		!rep.Ticket.SName.Equal(body.SName) || rep.Ticket.Realm != body.Realm:
		return part, errors.New("its ticket is for another service")
	}
	return part, checkKrbKey(part.Key)
}

// serviceTicket trades the ticket of a log-in in for the service's, by way of
// the service's realm if that is another.
func serviceTicket(ctx context.Context, conf *krbconfig.Config, t *krbTicket, want servicePrincipal) (*krbTicket, error) {
	realm := t.realm
	if want.realm != "" && want.realm != realm {
		hop, err := exchangeTGS(ctx, conf, t, types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{"krbtgt", want.realm}}, realm)
		if err != nil {
			return nil, err
		}
		t, realm = hop, want.realm
	}
	return exchangeTGS(ctx, conf, t, types.PrincipalName{NameType: nametype.KRB_NT_SRV_HST, NameString: want.parts}, realm)
}

// exchangeTGS gets one ticket from the KDC of realm.
func exchangeTGS(ctx context.Context, conf *krbconfig.Config, t *krbTicket, service types.PrincipalName, realm string) (*krbTicket, error) {
	if err := checkKrbKey(t.key); err != nil {
		return nil, fmt.Errorf("the log-in's session key: %w", err)
	}
	req, err := messages.NewTGSReq(t.client, realm, conf, t.ticket, t.key, service, false)
	if err != nil {
		return nil, fmt.Errorf("TGS-REQ: %w", err)
	}
	message, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("TGS-REQ: %w", err)
	}
	reply, err := askKDC(ctx, conf, realm, message)
	if err != nil {
		return nil, err
	}
	var rep messages.TGSRep
	if rep.Unmarshal(reply) != nil {
		return nil, errors.New("malformed TGS-REP")
	}
	part, err := openKDCRep(rep.KDCRepFields, t.key, keyusage.TGS_REP_ENCPART_SESSION_KEY, req.ReqBody)
	if err != nil {
		return nil, fmt.Errorf("TGS-REP: %w", err)
	}
	return &krbTicket{ticket: rep.Ticket, key: part.Key, client: t.client, realm: t.realm}, nil
}

// kdcRefusal is a KDC's no.
type kdcRefusal struct{ messages.KRBError }

func (e *kdcRefusal) Error() string {
	return fmt.Sprintf("the KDC refuses: %.200s", strings.TrimPrefix(e.KRBError.Error(), "KRB Error: "))
}

// askKDC sends a message to the KDCs of a realm, one after the other until one
// answers.
func askKDC(ctx context.Context, conf *krbconfig.Config, realm string, message []byte) ([]byte, error) {
	_, kdcs, err := conf.GetKDCs(realm, true)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("no KDC for the realm %s", realm)
	for _, i := range slices.Sorted(maps.Keys(kdcs)) {
		var reply []byte
		if reply, err = askOneKDC(ctx, kdcs[i], message); err != nil {
			continue
		}
		var refused kdcRefusal
		if refused.Unmarshal(reply) == nil {
			return nil, &refused
		}
		return reply, nil
	}
	return nil, fmt.Errorf("KDC: %w", err)
}

func askOneKDC(ctx context.Context, address string, message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, kdcTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxKDCReply {
		return nil, fmt.Errorf("%s: an answer of %d bytes, at most %d are read", address, n, maxKDCReply)
	}
	reply := make([]byte, n)
	_, err = io.ReadFull(c, reply)
	return reply, err
}

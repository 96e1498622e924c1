package auth

import (
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The tokens that establish a context (RFC 4121, 4.1): the frame of RFC 2743,
// 3.1 with the mechanism's OID, two bytes that name the token, and a message of
// RFC 4120.
const (
	tokenAPReq    = 0x0100
	tokenAPRep    = 0x0200
	tokenKrbError = 0x0300

	contextTokenTag = cryptobyte_asn1.Tag(0x60) // [APPLICATION 0], constructed
)

// krb5OID is 1.2.840.113554.1.2.2 (RFC 4121, 4.1).
func krb5OID() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2} }

// contextToken frames a message.
func contextToken(id uint16, message []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(contextTokenTag, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(krb5OID())
		b.AddUint16(id)
		b.AddBytes(message)
	})
	return b.Bytes()
}

// parseContextToken takes the frame off.
func parseContextToken(token []byte) (id uint16, message []byte, err error) {
	var inner cryptobyte.String
	var oid asn1.ObjectIdentifier
	s := cryptobyte.String(token)
	if !s.ReadASN1(&inner, contextTokenTag) || !s.Empty() || !inner.ReadASN1ObjectIdentifier(&oid) {
		return 0, nil, errors.New("not a GSS-API token")
	}
	if !oid.Equal(krb5OID()) {
		return 0, nil, errors.New("a GSS-API token of another mechanism than Kerberos V5")
	}
	if !inner.ReadUint16(&id) {
		return 0, nil, errors.New("a GSS-API token without its message")
	}
	return id, inner, nil
}

// Flags of a context (RFC 4121, 4.1.1.1).
const (
	gssMutual     = 1 << 1
	gssReplay     = 1 << 2
	gssSequence   = 1 << 3
	gssConfident  = 1 << 4
	gssIntegrity  = 1 << 5
	gssCheckLen   = 24 // bytes of the checksum field: U32 16, 16 bytes of bindings, U32 flags, all little endian
	gssBindingLen = 16
)

// gssChecksum is what an authenticator has for a checksum: our flags, and no
// channel bindings (RFC 4121, 4.1.1).
func gssChecksum(flags uint32) types.Checksum {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, gssCheckLen), gssBindingLen)
	b = append(b, make([]byte, gssBindingLen)...)
	return types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: binary.LittleEndian.AppendUint32(b, flags)}
}

// gssFlags reads the flags of an authenticator's checksum. The bindings are not
// looked at: RFC 4752, 3.1 has none. Nor are delegated credentials, which we
// have no use for.
func gssFlags(c types.Checksum) (uint32, error) {
	if c.CksumType != chksumtype.GSSAPI || len(c.Checksum) < gssCheckLen ||
		binary.LittleEndian.Uint32(c.Checksum) != gssBindingLen {
		return 0, errors.New("the authenticator is not one of GSS-API")
	}
	return binary.LittleEndian.Uint32(c.Checksum[4+gssBindingLen:]), nil
}

// encryptKrb encrypts a message of RFC 4120 for one usage.
func encryptKrb(text []byte, key types.EncryptionKey, usage uint32) (types.EncryptedData, error) {
	c, err := newKrbCipher(key, usage)
	if err != nil {
		return types.EncryptedData{}, err
	}
	return types.EncryptedData{EType: key.KeyType, Cipher: c.appendEncrypted(nil, text)}, nil
}

// decryptKrb undoes encryptKrb.
func decryptKrb(ed types.EncryptedData, key types.EncryptionKey, usage uint32) ([]byte, error) {
	if ed.EType != key.KeyType {
		return nil, fmt.Errorf("encrypted with enctype %d, not the key's, %d", ed.EType, key.KeyType)
	}
	c, err := newKrbCipher(key, usage)
	if err != nil {
		return nil, err
	}
	return c.decrypt(append([]byte(nil), ed.Cipher...))
}

// apRep builds the token that proves the acceptor: the authenticator's time
// under the session key, our subkey and the number of our first token (RFC
// 4120, 5.5.2). The library can only read it.
func apRep(session types.EncryptionKey, part messages.EncAPRepPart) ([]byte, error) {
	plain, err := asn1.MarshalWithParams(part, fmt.Sprintf("application,explicit,tag:%d", asnAppTag.EncAPRepPart))
	if err != nil {
		return nil, fmt.Errorf("AP-REP: %w", err)
	}
	enc, err := encryptKrb(plain, session, keyusage.AP_REP_ENCPART)
	if err != nil {
		return nil, fmt.Errorf("AP-REP: %w", err)
	}
	rep := messages.APRep{PVNO: iana.PVNO, MsgType: msgtype.KRB_AP_REP, EncPart: enc}
	message, err := asn1.MarshalWithParams(rep, fmt.Sprintf("application,explicit,tag:%d", asnAppTag.APREP))
	if err != nil {
		return nil, fmt.Errorf("AP-REP: %w", err)
	}
	return contextToken(tokenAPRep, message)
}

// openAPRep undoes apRep.
func openAPRep(session types.EncryptionKey, message []byte) (part messages.EncAPRepPart, err error) {
	var rep messages.APRep
	if err := rep.Unmarshal(message); err != nil {
		return part, errors.New("malformed AP-REP")
	}
	plain, err := decryptKrb(rep.EncPart, session, keyusage.AP_REP_ENCPART)
	if err != nil {
		return part, fmt.Errorf("AP-REP: %w", err)
	}
	if err := part.Unmarshal(plain); err != nil {
		return part, errors.New("AP-REP: malformed part")
	}
	return part, nil
}

// authenticatorTime is the time that an authenticator or an AP-REP states.
func authenticatorTime(seconds time.Time, micro int) time.Time {
	return seconds.Add(time.Duration(micro) * time.Microsecond)
}

// sequenceNumber is the number of a side's first token. Old peers write the
// upper half of the range as negative.
func sequenceNumber(n int64) uint64 { return uint64(uint32(n)) }

// randomSequence is a number to begin with. Half the range is left, since old
// peers take the upper half for negative (RFC 4120, 5.3.2).
func randomSequence() int64 {
	return int64(binary.BigEndian.Uint32(randomBytes(4)) >> 2)
}

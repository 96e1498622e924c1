package auth

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	krbconfig "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// DefaultKrb5Config is where Kerberos has its configuration.
const DefaultKrb5Config = "/etc/krb5.conf"

// KerberosCredentials are what we log in to displays with by GSSAPI: a keytab,
// a password, or a credential cache that somebody else fills (kinit, k5start),
// tried in this order. Files are read at each use.
type KerberosCredentials struct {
	// Config is the krb5.conf that names the realms and their KDCs; "" is
	// DefaultKrb5Config. KDCs are spoken to over TCP.
	Config string
	// Principal is who we are, "gateway@EXAMPLE.ORG"; without @REALM the
	// configuration's default_realm counts. A credential cache knows by itself.
	Principal string
	Keytab    string // path
	Password  string
	CCache    string // path
}

// krbTicket is a ticket with what has to be known of it.
type krbTicket struct {
	ticket messages.Ticket
	key    types.EncryptionKey // of the session
	client types.PrincipalName
	realm  string // the client's
}

// ticket gets a ticket for service.
func (k KerberosCredentials) ticket(ctx context.Context, service string) (t *krbTicket, err error) {
	defer func() {
		if recover() != nil {
			t, err = nil, errors.New("the library panicked at what the KDC or a file says")
		}
	}()
	name, realm, err := serviceName(service)
	if err != nil {
		return nil, err
	}
	conf, err := k.config()
	if err != nil {
		return nil, err
	}
	if realm == "" {
		realm = conf.ResolveRealm(name.NameString[len(name.NameString)-1])
	}
	want := servicePrincipal{name.NameString, realm}
	if k.Keytab == "" && k.Password == "" {
		t, err = k.cached(want)
	} else {
		t, err = k.login(ctx, conf)
	}
	if err != nil || slices.Equal(t.ticket.SName.NameString, want.parts) {
		return t, err
	}
	return serviceTicket(ctx, conf, t, want)
}

func (k KerberosCredentials) config() (*krbconfig.Config, error) {
	path := k.Config
	if path == "" {
		path = DefaultKrb5Config
	}
	text, err := readKrbFile(path)
	if err != nil {
		return nil, err
	}
	conf, err := krbconfig.NewFromReader(bytes.NewReader(text))
	var unsupported krbconfig.UnsupportedDirective
	if err != nil && !errors.As(err, &unsupported) || conf == nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// What is not AES is no use to us, and the library's default leaves out
	// what RFC 8009 has added.
	conf.LibDefaults.DefaultTktEnctypeIDs = onlyAES(conf.LibDefaults.DefaultTktEnctypeIDs)
	conf.LibDefaults.DefaultTGSEnctypeIDs = onlyAES(conf.LibDefaults.DefaultTGSEnctypeIDs)
	return conf, nil
}

// onlyAES keeps the order of what is configured, and adds what is missing.
func onlyAES(configured []int32) []int32 {
	all := append(slices.Clone(configured), etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA1_96,
		etypeID.AES256_CTS_HMAC_SHA384_192, etypeID.AES128_CTS_HMAC_SHA256_128)
	var aes []int32
	for _, id := range all {
		if enctypeKeyLen(id) > 0 && !slices.Contains(aes, id) {
			aes = append(aes, id)
		}
	}
	return aes
}

// cached takes a ticket from the credential cache: the service's, or else the
// one that gets others.
func (k KerberosCredentials) cached(want servicePrincipal) (*krbTicket, error) {
	if k.CCache == "" {
		return nil, errors.New("neither a keytab nor a password nor a credential cache is configured")
	}
	text, err := readKrbFile(k.CCache)
	if err != nil {
		return nil, err
	}
	var cache credentials.CCache
	if err := cache.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("%s: not a credential cache", k.CCache)
	}
	realm := cache.DefaultPrincipal.Realm
	for _, name := range []servicePrincipal{want, {[]string{"krbtgt", realm}, realm}} {
		for _, c := range cache.GetEntries() {
			server := servicePrincipal{c.Server.PrincipalName.NameString, c.Server.Realm}
			if !name.covers(server) || time.Now().After(c.EndTime) {
				continue
			}
			t := &krbTicket{key: c.Key, client: cache.DefaultPrincipal.PrincipalName, realm: realm}
			if err := t.ticket.Unmarshal(c.Ticket); err != nil {
				return nil, fmt.Errorf("%s: malformed ticket", k.CCache)
			}
			return t, nil
		}
	}
	return nil, fmt.Errorf("%s: no ticket that is still valid: kinit has to run again", k.CCache)
}

// client is who we are with a keytab or a password.
func (k KerberosCredentials) client(conf *krbconfig.Config) (types.PrincipalName, string, error) {
	name, realm := types.ParseSPNString(k.Principal)
	if realm == "" {
		realm = conf.LibDefaults.DefaultRealm
	}
	if k.Principal == "" || realm == "" || slices.Contains(name.NameString, "") {
		return name, realm, fmt.Errorf("principal %.100q: expected name@REALM (or a default_realm in krb5.conf)", k.Principal)
	}
	return name, realm, nil
}

// secretKey is our own key: out of the keytab, or made of the password as the
// KDC says in hint. Who plays the KDC can ask neither for so many iterations that
// they keep a core busy, nor for so few that the password is soon guessed.
func (k KerberosCredentials) secretKey(name types.PrincipalName, realm string, hint types.ETypeInfo2Entry) (types.EncryptionKey, error) {
	if k.Keytab != "" {
		kt, err := loadKeytab(k.Keytab)
		if err != nil {
			return types.EncryptionKey{}, err
		}
		key, _, err := kt.GetEncryptionKey(name, realm, 0, hint.EType)
		if err != nil {
			return key, fmt.Errorf("%s: no key of enctype %d for %s@%s", k.Keytab, hint.EType, strings.Join(name.NameString, "/"), realm)
		}
		return key, checkKrbKey(key)
	}
	kind, err := krbcrypto.GetEtype(hint.EType)
	if err != nil || enctypeKeyLen(hint.EType) == 0 {
		return types.EncryptionKey{}, fmt.Errorf("the KDC wants enctype %d: %w", hint.EType, errEnctype)
	}
	salt, params := hint.Salt, kind.GetDefaultStringToKeyParams()
	if salt == "" {
		salt = name.GetSalt(realm)
	}
	if n := hint.S2KParams; len(n) > 0 {
		if len(n) != 4 || binary.BigEndian.Uint32(n) < minIterations || binary.BigEndian.Uint32(n) > maxIterations {
			return types.EncryptionKey{}, fmt.Errorf("the KDC wants iterations on the password that are not %d to %d", minIterations, maxIterations)
		}
		params = hex.EncodeToString(n)
	}
	value, err := kind.StringToKey(k.Password, salt, params)
	if err != nil {
		return types.EncryptionKey{}, errors.New("the password cannot be made a key")
	}
	return types.EncryptionKey{KeyType: hint.EType, KeyValue: value}, nil
}

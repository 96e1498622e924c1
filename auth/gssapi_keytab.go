package auth

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"
)

// maxKeytab is the most bytes of a keytab, a credential cache or a krb5.conf
// that are read.
const maxKeytab = 1 << 20

// loadKeytab reads a keytab. The library's errors quote keys, so none is passed
// on, and what it does not check makes it panic.
func loadKeytab(path string) (kt *keytab.Keytab, err error) {
	text, err := readKrbFile(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil {
			kt, err = nil, fmt.Errorf("%s: not a keytab", path)
		}
	}()
	kt = keytab.New()
	if kt.Unmarshal(text) != nil {
		return nil, fmt.Errorf("%s: not a keytab", path)
	}
	if len(kt.Entries) == 0 {
		return nil, fmt.Errorf("%s: a keytab without keys", path)
	}
	return kt, nil
}

// readKrbFile reads one of Kerberos' files. Their names may begin with FILE: as
// Kerberos' own programs write them.
func readKrbFile(path string) ([]byte, error) {
	f, err := os.Open(strings.TrimPrefix(path, "FILE:"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeytab+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeytab {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxKeytab)
	}
	return text, nil
}

// serviceName takes a configured principal apart: "vnc/host.example.org", with
// or without @REALM.
func serviceName(principal string) (name types.PrincipalName, realm string, err error) {
	name, realm = types.ParseSPNString(principal)
	if len(name.NameString) < 2 || slices.Contains(name.NameString, "") {
		return name, "", fmt.Errorf("%.100q is no service's principal (vnc/host.example.org, with @REALM or without)", principal)
	}
	return name, realm, nil
}

// serviceKeys returns the keys of a keytab that can open a ticket, if it is for
// the service that is wanted. The key version 0 stands for all, as KDCs do not
// always state it.
func serviceKeys(kt *keytab.Keytab, want servicePrincipal, ticket ticketKey) ([]types.EncryptionKey, error) {
	var keys []types.EncryptionKey
	var names, versions []string
	for _, e := range kt.Entries {
		name := servicePrincipal{e.Principal.Components, e.Principal.Realm}
		switch {
		case !want.covers(name):
			continue
		case !name.is(ticket.servicePrincipal):
			names = append(names, name.String())
			continue
		case e.Key.KeyType != ticket.enctype || ticket.kvno != 0 && e.KVNO != ticket.kvno && uint32(e.KVNO8) != ticket.kvno:
			versions = append(versions, fmt.Sprintf("%d (enctype %d)", e.KVNO, e.Key.KeyType))
			continue
		}
		keys = append(keys, e.Key)
	}
	if len(keys) > 0 {
		return keys, nil
	}
	return nil, noServiceKey(ticket, names, versions)
}

// noServiceKey says in words why a ticket cannot be opened.
func noServiceKey(t ticketKey, names, versions []string) error {
	switch {
	case len(versions) > 0:
		return denied{fmt.Sprintf("the ticket for %.200q is for key version %d (enctype %d), of which the keytab has %s: was the keytab renewed, or has the client an old ticket?",
			t.String(), t.kvno, t.enctype, fewOf(versions))}
	case len(names) > 0:
		return denied{fmt.Sprintf("the ticket is for %.200q, the service here is %s", t.String(), fewOf(names))}
	}
	return errors.New("the keytab has no key of the service that is configured")
}

// fewOf shows a few of what may be many, each once.
func fewOf(s []string) string {
	slices.Sort(s)
	s = slices.Compact(s)
	if len(s) > 4 {
		s = append(s[:4:4], "…")
	}
	return strings.Join(s, ", ")
}

// servicePrincipal is a service's name; without parts it is any called vnc, and
// without a realm it is one of any realm.
type servicePrincipal struct {
	parts []string
	realm string
}

// defaultService is the service name of VNC (QEMU, gtk-vnc).
const defaultService = "vnc"

func (p servicePrincipal) covers(q servicePrincipal) bool {
	if p.realm != "" && p.realm != q.realm {
		return false
	}
	if len(p.parts) == 0 {
		return len(q.parts) == 2 && q.parts[0] == defaultService
	}
	return slices.Equal(p.parts, q.parts)
}

func (p servicePrincipal) is(q servicePrincipal) bool {
	return p.realm == q.realm && slices.Equal(p.parts, q.parts)
}

func (p servicePrincipal) String() string { return strings.Join(p.parts, "/") + "@" + p.realm }

// ticketKey is what a ticket says of the key that it is encrypted with.
type ticketKey struct {
	servicePrincipal
	enctype int32
	kvno    uint32
}

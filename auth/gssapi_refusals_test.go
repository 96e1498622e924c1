//go:build linux

package auth

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// What a real KDC refuses is told in words, and without the password.
func TestKDCRefusals(t *testing.T) {
	r := newRealm(t, allEnctypes[0])
	r.service(t, "gateway", "gateway.keytab")
	r.kinit(t, "-r", "1h")
	r.write(t, "nonsense", "\x05\x02\x00\x00\x00\x20 secret-of-a-key")
	for name, c := range map[string]struct {
		k             KerberosCredentials
		service, want string
	}{
		"wrong password":       {KerberosCredentials{Principal: "alice", Password: "secret-guess"}, testService, "KDC_ERR_PREAUTH_FAILED"},
		"unknown user":         {KerberosCredentials{Principal: "mallory", Password: "secret-guess"}, testService, "KDC_ERR_C_PRINCIPAL_UNKNOWN"},
		"unknown service":      {KerberosCredentials{Principal: "alice", Password: "wonderland"}, "vnc/other.example.org", "KDC_ERR_S_PRINCIPAL_UNKNOWN"},
		"other realm":          {KerberosCredentials{Principal: "alice", Password: "wonderland"}, testService + "@OTHER.ORG", "KDC_ERR_S_PRINCIPAL_UNKNOWN"},
		"unknown realm":        {KerberosCredentials{Principal: "alice@OTHER.ORG", Password: "wonderland"}, testService, "OTHER.ORG"},
		"no service":           {KerberosCredentials{Principal: "alice", Password: "wonderland"}, "vnc", "is no service's principal"},
		"empty host":           {KerberosCredentials{Principal: "alice", Password: "wonderland"}, "vnc/", "is no service's principal"},
		"no principal":         {KerberosCredentials{Password: "wonderland"}, testService, "expected name@REALM"},
		"another's keytab":     {KerberosCredentials{Principal: "alice", Keytab: r.path("gateway.keytab")}, testService, "no key of enctype 18 for alice@EXAMPLE.ORG"},
		"no keytab":            {KerberosCredentials{Principal: "alice", Keytab: r.path("absent")}, testService, "no such file"},
		"nonsense for keytab":  {KerberosCredentials{Principal: "alice", Keytab: r.path("nonsense")}, testService, "not a keytab"},
		"no cache":             {KerberosCredentials{CCache: r.path("absent")}, testService, "no such file"},
		"nonsense for a cache": {KerberosCredentials{CCache: r.path("nonsense")}, testService, ""},
		"nothing at all":       {KerberosCredentials{}, testService, "neither a keytab nor a password"},
		"no krb5.conf":         {KerberosCredentials{Config: r.path("absent"), CCache: r.path("ccache")}, testService, "no such file"},
		"nonsense for it":      {KerberosCredentials{Config: r.path("vnc.keytab"), CCache: r.path("ccache")}, "vnc/other.example.org", "no KDCs defined"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.k.Config == "" {
				c.k.Config = r.config
			}
			client, err := c.k.Client(t.Context(), c.service, true)
			if client != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret-") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

// A service that has got new keys keeps taking tickets for those that are left
// in its keytab.
func TestKeytabChanges(t *testing.T) {
	r := newRealm(t, allEnctypes[0])
	alice := KerberosCredentials{Config: r.config, Principal: "alice@EXAMPLE.ORG", Password: "wonderland"}
	service := &KerberosService{Keytab: r.path("vnc.keytab"), Realm: testRealm, Principal: testService}
	old, err := alice.ticket(t.Context(), testService)
	must(t, err)
	logIn := func(ticket *krbTicket) error {
		return authenticate(newInitiator(t, ticket, true), service.begin(true))
	}
	must(t, logIn(old))
	r.service(t, testService, "vnc.keytab") // version 3, beside version 2
	must(t, logIn(old))
	renewed, err := alice.ticket(t.Context(), testService)
	must(t, err)
	if renewed.ticket.EncPart.KVNO == old.ticket.EncPart.KVNO {
		t.Fatal("the KDC still uses the old key")
	}
	must(t, logIn(renewed))
	must(t, os.Remove(service.Keytab))
	if err := logIn(renewed); err == nil || errors.Is(err, ErrDenied) {
		t.Errorf("without a keytab: %v", err)
	}
	r.service(t, testService, "vnc.keytab") // version 4 alone
	for _, ticket := range []*krbTicket{old, renewed} {
		if err := logIn(ticket); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "of which the keytab has 4 (enctype 18)") {
			t.Errorf("with an old ticket: %v", err)
		}
	}
}

// A cache that holds the service's ticket needs no KDC.
func TestCachedServiceTicket(t *testing.T) {
	r := newRealm(t, allEnctypes[0])
	r.kinit(t)
	r.run(t, "", "kvno", testService)
	r.write(t, "offline.conf", "[libdefaults]\n default_realm = EXAMPLE.ORG\n")
	k := KerberosCredentials{Config: r.path("offline.conf"), CCache: "FILE:" + r.path("ccache")}
	client, err := k.Client(t.Context(), testService, false)
	must(t, err)
	server := (&KerberosService{Keytab: r.path("vnc.keytab")}).begin(false)
	if err := authenticate(client, server); err != nil || server.Username() != "alice@EXAMPLE.ORG" {
		t.Errorf("user %q, %v", server.Username(), err)
	}
	if _, err := k.Client(t.Context(), "vnc/other.example.org", false); err == nil {
		t.Error("a ticket out of nothing")
	}
}

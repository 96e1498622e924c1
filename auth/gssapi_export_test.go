//go:build linux

package auth

import "testing"

// KerberosRealm is a KDC of one test's own, for tests that need other packages
// of ours: who logs in, and what runs programs in its realm.
func KerberosRealm(t testing.TB) (dir string, env []string, alice KerberosCredentials) {
	t.Helper()
	r := newRealm(t, allEnctypes[0])
	return r.dir, r.env, KerberosCredentials{Config: r.config, Principal: "alice@" + testRealm, Password: "wonderland"}
}

// KerberosTestService is the service of a KerberosRealm, its keys in vnc.keytab.
const KerberosTestService = testService

// KerberosTickets is a KerberosRealm in which alice has logged in, with one more
// service, whose keys are in localhost.keytab.
func KerberosTickets(t testing.TB, service string) (dir string, env []string) {
	t.Helper()
	r := newRealm(t, allEnctypes[0])
	r.service(t, service, "localhost.keytab")
	r.kinit(t)
	return r.dir, r.env
}

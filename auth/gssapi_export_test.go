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

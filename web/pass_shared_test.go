package web

import "testing"

// TestPassesOfSeveralGateways: those that share a secret name a pass alike, and
// nobody else does.
func TestPassesOfSeveralGateways(t *testing.T) {
	shared := []byte("a secret that all of them have")
	name := func(secret []byte) string { return newEndpoint(Config{PassSecret: secret}).passOf("token") }
	if a, b := name(shared), name(shared); a != b {
		t.Errorf("two gateways name a pass %s and %s", a, b)
	}
	alone := name(nil)
	if name(shared) == name([]byte("another")) || alone == name(nil) {
		t.Error("gateways without a common secret name passes alike")
	}
}

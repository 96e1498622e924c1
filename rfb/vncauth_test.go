package rfb

import (
	"encoding/hex"
	"testing"
)

func TestVncResponse(t *testing.T) {
	challenge, _ := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	for _, tt := range []struct{ password, want string }{
		{"password", "b866924125c8eebb9debc1db61c538e2"},
		{"password12", "b866924125c8eebb9debc1db61c538e2"},
		{"", "491e890de9ace932838a49792f2213f3"},
	} {
		if got := hex.EncodeToString(vncResponse(tt.password, challenge)); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.password, got, tt.want)
		}
	}
}

func TestEmptyPasswordLetsNobodyIn(t *testing.T) {
	challenge := make([]byte, challengeLen)
	if anyPassword([]string{""}, challenge, vncResponse("", challenge)) {
		t.Error("the empty password lets in")
	}
	if anyPassword(nil, challenge, vncResponse("", challenge)) {
		t.Error("no password at all lets in")
	}
}

func TestTwoPasswordsThatAreOneKey(t *testing.T) {
	challenge := make([]byte, challengeLen)
	if !anyPassword([]string{"password1", "password2"}, challenge, vncResponse("password", challenge)) {
		t.Error("a password that is listed twice does not let in")
	}
}

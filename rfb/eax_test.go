package rfb

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"testing"
)

var _ cipher.AEAD = eax{}

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cmacMessage is the message of RFC 4493, 4 and of NIST SP 800-38B, D.
const cmacMessage = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
	"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"

func TestCMAC(t *testing.T) {
	const aes128 = "2b7e151628aed2a6abf7158809cf4f3c"
	const aes256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
	for _, tt := range []struct {
		key string
		n   int
		mac string
	}{
		{aes128, 0, "bb1d6929e95937287fa37d129b756746"}, // RFC 4493
		{aes128, 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{aes128, 40, "dfa66747de9ae63030ca32611497c827"},
		{aes128, 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{aes256, 0, "028962f61b7bf89efc6b551f4667d983"}, // SP 800-38B
		{aes256, 16, "28a7023f452e8f82bd4bf28d8c37c35c"},
		{aes256, 40, "aaf3d8f1de5640c232f5b169b9c911e6"},
		{aes256, 64, "e1992190549f6ed5696a2c056c315410"},
	} {
		block, err := aes.NewCipher(fromHex(t, tt.key))
		if err != nil {
			t.Fatal(err)
		}
		if got := newCMAC(block).sum(fromHex(t, cmacMessage)[:tt.n]); hex.EncodeToString(got) != tt.mac {
			t.Errorf("%d bytes under %s: %x, want %s", tt.n, tt.key, got, tt.mac)
		}
	}
}

func TestCMACSubkeys(t *testing.T) {
	block, err := aes.NewCipher(fromHex(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	if err != nil {
		t.Fatal(err)
	}
	m := newCMAC(block) // RFC 4493, 4
	if got := hex.EncodeToString(m.k1); got != "fbeed618357133667c85e08f7236a8de" {
		t.Errorf("K1 %s", got)
	}
	if got := hex.EncodeToString(m.k2); got != "f7ddac306ae266ccf90bc11ee46d513b" {
		t.Errorf("K2 %s", got)
	}
}

// eaxVectors are those of the paper, appendix G.
var eaxVectors = []struct{ msg, key, nonce, header, cipher string }{
	{"", "233952dee4d5ed5f9b9c6d6ff80ff478", "62ec67f9c3a4a407fcb2a8c49031a8b3", "6bfb914fd07eae6b",
		"e037830e8389f27b025a2d6527e79d01"},
	{"f7fb", "91945d3f4dcbee0bf45ef52255f095a4", "becaf043b0a23d843194ba972c66debd", "fa3bfd4806eb53fa",
		"19dd5c4c9331049d0bdab0277408f67967e5"},
	{"1a47cb4933", "01f74ad64077f2e704c0f60ada3dd523", "70c3db4f0d26368400a10ed05d2bff5e", "234a3463c1264ac6",
		"d851d5bae03a59f238a23e39199dc9266626c40f80"},
	{"481c9e39b1", "d07cf6cbb7f313bdde66b727afd3c5e8", "8408dfff3c1a2b1292dc199e46b7d617", "33cce2eabff5a79d",
		"632a9d131ad4c168a4225d8e1ff755939974a7bede"},
	{"40d0c07da5e4", "35b6d0580005bbc12b0587124557d2c2", "fdb6b06676eedc5c61d74276e1f8e816", "aeb96eaebe2970e9",
		"071dfe16c675cb0677e536f73afe6a14b74ee49844dd"},
	{"4de3b35c3fc039245bd1fb7d", "bd8e6e11475e60b268784c38c62feb22", "6eac5c93072d8e8513f750935e46da1b", "d4482d1ca78dce0f",
		"835bb4f15d743e350e728414abb8644fd6ccb86947c5e10590210a4f"},
	{"8b0a79306c9ce7ed99dae4f87f8dd61636", "7c77d6e813bed5ac98baa417477a2e7d", "1a8c98dcd73d38393b2bf1569deefc19", "65d2017990d62528",
		"02083e3979da014812f59f11d52630da30137327d10649b0aa6e1c181db617d7f2"},
	{"1bda122bce8a8dbaf1877d962b8592dd2d56", "5fff20cafab119ca2fc73549e20f5b0d", "dde59b97d722156d4d9aff2bc7559826", "54b9f04e6a09189a",
		"2ec47b2c4954a489afc7ba4897edcdae8cc33b60450599bd02c96382902aef7f832a"},
	{"6cf36720872b8513f6eab1a8a44438d5ef11", "a4a4782bcffd3ec5e7ef6d8c34a56123", "b781fcf2f75fa5a8de97a9ca48e522ec", "899a175897561d7e",
		"0de18fd0fdd91e7af19f1d8ee8733938b1e8e7f6d2231618102fdb7fe55ff1991700"},
	{"ca40d7446e545ffaed3bd12a740a659ffbbb3ceab7", "8395fcf1e95bebd697bd010bc766aac3", "22e7add93cfc6393c57ec0b3c17d6b44", "126735fcc320d25a",
		"cb8920f87a6c75cff39627b56e3ed197c552d295a7cfc46afc253b4652b1af3795b124ab6e"},
}

func TestEAX(t *testing.T) {
	for _, tt := range eaxVectors {
		e, err := newEAX(fromHex(t, tt.key))
		if err != nil {
			t.Fatal(err)
		}
		msg, nonce, header := fromHex(t, tt.msg), fromHex(t, tt.nonce), fromHex(t, tt.header)
		sealed := e.Seal([]byte("front"), nonce, msg, header)
		if hex.EncodeToString(sealed[5:]) != tt.cipher {
			t.Errorf("%s sealed as %x, want %s", tt.msg, sealed[5:], tt.cipher)
		}
		sealed = sealed[5:]
		for i := range sealed {
			sealed[i] ^= 1
			if _, err := e.Open(nil, nonce, sealed, header); err == nil {
				t.Errorf("%s opened with byte %d changed", tt.cipher, i)
			}
			sealed[i] ^= 1
		}
		if got, err := e.Open(sealed[:0], nonce, sealed, header); err != nil || !bytes.Equal(got, msg) {
			t.Errorf("%s opened as %x, %v", tt.cipher, got, err)
		}
	}
	if _, err := newEAX(make([]byte, 15)); err == nil {
		t.Error("a key of 15 bytes is one")
	}
}

// FuzzEAX: what was sealed opens, nothing else does, and lengths are what
// Overhead says.
func FuzzEAX(f *testing.F) {
	for _, tt := range eaxVectors {
		f.Add(fromHex(f, tt.key), fromHex(f, tt.nonce), fromHex(f, tt.msg), fromHex(f, tt.header))
	}
	f.Fuzz(func(t *testing.T, key, nonce, msg, header []byte) {
		e, err := newEAX(key)
		if err != nil {
			return
		}
		sealed := e.Seal(nil, nonce, msg, header)
		if len(sealed) != len(msg)+e.Overhead() {
			t.Fatalf("%d bytes became %d", len(msg), len(sealed))
		}
		if got, err := e.Open(nil, nonce, sealed, header); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("%x, %v", got, err)
		}
		if _, err := e.Open(nil, nonce, msg, header); err == nil {
			t.Fatal("plain text opened")
		}
		if _, err := e.Open(nil, nonce, sealed, append(header, 0)); err == nil {
			t.Fatal("another header opened")
		}
	})
}

func BenchmarkEAX(b *testing.B) {
	e, err := newEAX(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	nonce, buf := make([]byte, 16), make([]byte, maxRecord, maxRecord+eaxTagLen)
	b.SetBytes(maxRecord)
	for b.Loop() {
		e.Seal(buf[:0], nonce, buf[:maxRecord], nil)
	}
}

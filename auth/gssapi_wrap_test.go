package auth

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	must(t, err)
	return b
}

// RFC 3962, appendix B: the text "I would like the General Gau's Chicken,
// please, and wonton soup." cut to several lengths, under "chicken teriyaki".
func TestCipherTextStealing(t *testing.T) {
	text := []byte("I would like the General Gau's Chicken, please, and wonton soup.")
	block, err := aes.NewCipher([]byte("chicken teriyaki"))
	must(t, err)
	for n, want := range map[int]string{
		17: "c6353568f2bf8cb4d8a580362da7ff7f97",
		31: "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5",
		32: "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584",
		47: "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5",
		48: "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd839312523a78662d5be7fcbcc98ebf5a8",
		64: "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a84807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8",
	} {
		b := bytes.Clone(text[:n])
		encryptCTS(block, b)
		if hex.EncodeToString(b) != want {
			t.Errorf("%d bytes: %x", n, b)
		}
		decryptCTS(block, b)
		if !bytes.Equal(b, text[:n]) {
			t.Errorf("%d bytes come back as %q", n, b)
		}
	}
}

// RFC 8009, appendix A: sample encryptions with usage 2, with their confounders.
func TestRFC8009(t *testing.T) {
	key128, key256 := unhex(t, "3705D960 80C17728 A0E800EA B6E0D23C"), unhex(t, "6D404D37 FAF79F9D F0D33568 D320669800EB4836 472EA8A0 26D16B71 82460C52")
	for _, c := range []struct {
		key                      types.EncryptionKey
		confounder, text, cipher string
	}{
		{types.EncryptionKey{KeyType: 19, KeyValue: key128}, "7BCA285E 2FD4130F B55B1A5C 83BC5B24", "00010203 0405",
			"84D7F307 54ED987B AB0BF350 6BEB09CF B55402CE F7E6877C E99E247E 52D16ED4421DFDF8 976C"},
		{types.EncryptionKey{KeyType: 20, KeyValue: key256}, "B80D3251 C1F64714 94256FFE 712D0B9A", "00010203 0405",
			"4ED7B37C 2BCAC8F7 4F23C1CF 07E62BC7 B75FB3F6 37B9F559 C7F664F6 9EAB7B6092237526 EA0D1F61 CB20D69D 10F2"},
	} {
		cipher, err := newKrbCipher(c.key, keyusage.KDC_REP_TICKET)
		must(t, err)
		confounder, text := unhex(t, c.confounder), unhex(t, c.text)
		cipher.confounder = func() []byte { return confounder }
		got := cipher.appendEncrypted(nil, text)
		if !bytes.Equal(got, unhex(t, c.cipher)) {
			t.Errorf("enctype %d: %x", c.key.KeyType, got)
		}
		if back, err := cipher.decrypt(got); err != nil || !bytes.Equal(back, text) {
			t.Errorf("enctype %d comes back as %x, %v", c.key.KeyType, back, err)
		}
	}
}

// What we encrypt the library can read, and the other way round, and the
// checksums agree.
func TestKrbCipherAgainstLibrary(t *testing.T) {
	const usage = keyusage.GSSAPI_ACCEPTOR_SEAL
	for _, id := range spokenEnctypes {
		key := newKrbKey(types.EncryptionKey{KeyType: id})
		ours, err := newKrbCipher(key, usage)
		must(t, err)
		theirs, err := krbcrypto.GetEtype(id)
		must(t, err)
		for n := 1; n < 70; n++ {
			text := randomBytes(n)
			if got, err := krbcrypto.DecryptMessage(ours.appendEncrypted(nil, text), key, usage); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("enctype %d, %d bytes: the library reads %x, %v", id, n, got, err)
			}
			_, message, err := theirs.EncryptMessage(key.KeyValue, text, usage)
			must(t, err)
			if got, err := ours.decrypt(message); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("enctype %d, %d bytes: we read %x, %v", id, n, got, err)
			}
			sum, err := theirs.GetChecksumHash(key.KeyValue, text, usage)
			must(t, err)
			if !bytes.Equal(ours.check(text[:n/2], text[n/2:]), sum) {
				t.Fatalf("enctype %d: checksums differ", id)
			}
		}
	}
}

func TestKrbKeys(t *testing.T) {
	for _, key := range []types.EncryptionKey{{}, {KeyType: 23, KeyValue: make([]byte, 16)}, {KeyType: 16, KeyValue: make([]byte, 24)},
		{KeyType: 18, KeyValue: make([]byte, 16)}, {KeyType: 17}, {KeyType: 20, KeyValue: make([]byte, 24)}, {KeyType: -1, KeyValue: make([]byte, 32)}} {
		if _, err := newKrbCipher(key, 1); err == nil {
			t.Errorf("a key of enctype %d and %d bytes is taken", key.KeyType, len(key.KeyValue))
		}
	}
}

// contexts are both sides of one context.
func contexts(t testing.TB, enctype int32, acceptorSubkey bool) (initiator, acceptor *gssContext) {
	t.Helper()
	k := contextKeys{key: newKrbKey(types.EncryptionKey{KeyType: enctype}), acceptorSubkey: acceptorSubkey, initiatorSeq: 1<<32 - 1, acceptorSeq: 7}
	initiator, err := newGSSContext(k, false)
	must(t, err)
	acceptor, err = newGSSContext(k, true)
	must(t, err)
	return initiator, acceptor
}

func TestWrapTokens(t *testing.T) {
	for _, id := range spokenEnctypes {
		for _, subkey := range []bool{true, false} {
			initiator, acceptor := contexts(t, id, subkey)
			for i, text := range []string{"", "a", "some text", strings.Repeat("long ", 1000)} {
				for _, c := range []struct{ from, to *gssContext }{{initiator, acceptor}, {acceptor, initiator}} {
					token := c.from.send.seal([]byte(text))
					if len(token) != len(text)+c.from.send.sealOverhead() || bytes.Contains(token, []byte("text")) {
						t.Errorf("a sealed token of %d bytes for %d", len(token), len(text))
					}
					if got, sealed, err := c.to.receive.open(token); string(got) != text || !sealed || err != nil {
						t.Fatalf("enctype %d: %q, sealed %v, %v", id, got, sealed, err)
					}
					if got, sealed, err := c.to.receive.open(c.from.send.sign([]byte(text))); string(got) != text || sealed || err != nil {
						t.Fatalf("enctype %d: %q, sealed %v, %v", id, got, sealed, err)
					}
				}
				if want := uint64(1<<32 - 1 + 2*(i+1)); initiator.send.seq != want {
					t.Errorf("number %d, want %d", initiator.send.seq, want)
				}
			}
		}
	}
}

// A signed token of the library is one of ours.
func TestSignedTokenAgainstLibrary(t *testing.T) {
	for _, id := range []int32{17, 18, 19, 20} {
		key := newKrbKey(types.EncryptionKey{KeyType: id})
		initiator, err := newGSSContext(contextKeys{key: key}, false)
		must(t, err)
		token, err := gssapi.NewInitiatorWrapToken([]byte("text"), key)
		must(t, err)
		want, err := token.Marshal()
		must(t, err)
		if got := initiator.send.sign([]byte("text")); !bytes.Equal(got, want) {
			t.Errorf("enctype %d:\n% x\n% x", id, got, want)
		}
	}
}

// rotate turns a token's body to the right by n, as Windows does.
func rotate(token []byte, n int) []byte {
	token = bytes.Clone(token)
	binary.BigEndian.PutUint16(token[6:], uint16(n))
	body := token[wrapHeaderLen:]
	k := len(body) - n%len(body)
	copy(body, append(bytes.Clone(body[k:]), body[:k]...))
	return token
}

func TestRotatedTokens(t *testing.T) {
	initiator, acceptor := contexts(t, aes256, true)
	for _, n := range []int{0, 1, 12, 28, 50, 1000, 65535} {
		if got, _, err := acceptor.receive.open(rotate(initiator.send.seal([]byte("some text")), n)); string(got) != "some text" || err != nil {
			t.Errorf("sealed, rotated by %d: %q, %v", n, got, err)
		}
		if got, _, err := acceptor.receive.open(rotate(initiator.send.sign([]byte("some text")), n)); string(got) != "some text" || err != nil {
			t.Errorf("signed, rotated by %d: %q, %v", n, got, err)
		}
	}
}

// Windows puts filler between the text and the header (EC 16).
func TestFilledToken(t *testing.T) {
	initiator, acceptor := contexts(t, aes256, true)
	h := initiator.send.header(wrapSealed)
	binary.BigEndian.PutUint16(h[4:], 16)
	token := initiator.send.cipher.appendEncrypted(bytes.Clone(h), []byte("some text"), make([]byte, 16), h)
	if got, sealed, err := acceptor.receive.open(rotate(token, 28)); string(got) != "some text" || !sealed || err != nil {
		t.Errorf("%q, %v, %v", got, sealed, err)
	}
}

func TestFalseTokens(t *testing.T) {
	initiator, acceptor := contexts(t, aes256, true)
	set := func(i int, b byte) func([]byte) []byte {
		return func(token []byte) []byte { token[i] ^= b; return token }
	}
	for name, c := range map[string]struct {
		change         func([]byte) []byte
		sealed, signed string // in the error; "": taken
	}{
		"as it was":         {func(b []byte) []byte { return b }, "", ""},
		"unknown flag":      {set(2, 0x80), "header was changed", "integrity"},
		"identifier":        {set(0, 1), "not a wrap token", "not a wrap token"},
		"MIC token":         {set(1, 1^0x04), "not a wrap token", "not a wrap token"},
		"filler":            {set(3, 1), "not a wrap token", "not a wrap token"},
		"direction":         {set(2, wrapFromAcceptor), "of our own", "of our own"},
		"other key":         {set(2, wrapAcceptorSubkey), "another key", "another key"},
		"seal turned":       {set(2, wrapSealed), "checksum of 0 bytes", "no more than its overhead"},
		"EC":                {set(5, 1), "header was changed", "checksum of"},
		"large EC":          {set(4, 0xff), "header was changed", "checksum of"},
		"RRC":               {set(7, 1), "integrity", "integrity"},
		"number":            {set(15, 1), "out of order", "out of order"},
		"high number":       {set(8, 0xff), "out of order", "out of order"},
		"first byte":        {set(16, 1), "integrity", "integrity"},
		"header alone":      {func(b []byte) []byte { return b[:16] }, "no more than its overhead", "checksum of 12 bytes"},
		"cut header":        {func(b []byte) []byte { return b[:15] }, "of 15 bytes", "of 15 bytes"},
		"nothing":           {func([]byte) []byte { return nil }, "of 0 bytes", "of 0 bytes"},
		"cut":               {func(b []byte) []byte { return b[:len(b)-1] }, "integrity", "integrity"},
		"one byte too many": {func(b []byte) []byte { return append(b, 0) }, "integrity", "integrity"},
	} {
		for kind, want := range map[bool]string{true: c.sealed, false: c.signed} {
			wrap := initiator.send.sign
			if kind {
				wrap = initiator.send.seal
			}
			initiator.send.seq, acceptor.receive.seq = 5, 5
			text, _, err := acceptor.receive.open(c.change(wrap([]byte("some text"))))
			if want == "" {
				if err != nil || string(text) != "some text" || acceptor.receive.seq != 6 {
					t.Errorf("%s, sealed %v: %q, %v", name, kind, text, err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), want) || acceptor.receive.seq != 5 {
				t.Errorf("%s, sealed %v: %q, %v; want %q", name, kind, text, err, want)
			}
		}
	}
}

// A layer takes sealed tokens alone, each once and in their order.
func TestLayerTokens(t *testing.T) {
	initiator, acceptor := contexts(t, aes256, true)
	l := acceptor.securityLayer(8192)
	if l.MaxSend != 8192-acceptor.send.sealOverhead() || l.SSF != 256 {
		t.Errorf("sends %d bytes, SSF %d", l.MaxSend, l.SSF)
	}
	first, second := initiator.send.seal([]byte("1")), initiator.send.seal([]byte("2"))
	if _, err := l.Unwrap(second); err == nil {
		t.Error("takes the second before the first")
	}
	if text, err := l.Unwrap(first); err != nil || string(text) != "1" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := l.Unwrap(first); err == nil {
		t.Error("takes a token twice")
	}
	initiator.send.seq--
	if _, err := l.Unwrap(initiator.send.sign([]byte("2"))); err == nil || !strings.Contains(err.Error(), "not sealed") {
		t.Errorf("takes a token that is not sealed: %v", err)
	}
	own, err := l.Wrap([]byte("3"))
	must(t, err)
	if _, err := l.Unwrap(own); err == nil {
		t.Error("takes its own token")
	}
}

// A connection is read and written at the same time.
func TestLayerBothWays(t *testing.T) {
	initiator, acceptor := contexts(t, aes256, true)
	a, b := initiator.securityLayer(8192), acceptor.securityLayer(8192)
	there, back := make(chan []byte, 100), make(chan []byte, 100)
	pass := func(wrap func([]byte) ([]byte, error), tokens chan<- []byte) {
		defer close(tokens)
		for i := range 100 {
			token, err := wrap([]byte{byte(i)})
			if err != nil {
				t.Error(err)
				return
			}
			tokens <- token
		}
	}
	take := func(unwrap func([]byte) ([]byte, error), tokens <-chan []byte) {
		next := byte(0)
		for token := range tokens {
			if text, err := unwrap(token); err != nil || !bytes.Equal(text, []byte{next}) {
				t.Errorf("%x instead of %x, %v", text, next, err)
			}
			next++
		}
	}
	var all sync.WaitGroup
	all.Go(func() { pass(a.Wrap, there) })
	all.Go(func() { pass(b.Wrap, back) })
	all.Go(func() { take(b.Unwrap, there) })
	all.Go(func() { take(a.Unwrap, back) })
	all.Wait()
}

func FuzzWrapToken(f *testing.F) {
	initiator, acceptor := contexts(f, aes256, true)
	for _, text := range []string{"", "some text"} {
		initiator.send.seq = 5
		f.Add(initiator.send.seal([]byte(text)), uint16(0))
		initiator.send.seq = 5
		f.Add(initiator.send.sign([]byte(text)), uint16(28))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		acceptor.receive.seq = 5
		before := bytes.Clone(b)
		if _, _, err := acceptor.receive.open(b); err == nil && acceptor.receive.seq != 6 || err != nil && acceptor.receive.seq != 5 {
			t.Errorf("number %d, %v", acceptor.receive.seq, err)
		}
		if !bytes.Equal(b, before) {
			t.Error("the argument was changed")
		}
		initiator.send.seq, acceptor.receive.seq = 5, 5
		if got, sealed, err := acceptor.receive.open(rotate(initiator.send.seal(b), int(n))); err != nil || !sealed || !bytes.Equal(got, b) {
			t.Errorf("sealed: %x, %v", got, err)
		}
		if got, sealed, err := acceptor.receive.open(rotate(initiator.send.sign(b), int(n))); err != nil || sealed || !bytes.Equal(got, b) {
			t.Errorf("signed: %x, %v", got, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	initiator, acceptor := contexts(b, aes256, true)
	text := make([]byte, 16<<10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, _, err := acceptor.receive.open(initiator.send.seal(text)); err != nil {
			b.Fatal(err)
		}
	}
}

package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// hostileKDC answers each request with what answer writes, and returns
// credentials that ask it.
func hostileKDC(t testing.TB, answer func(request []byte, c net.Conn)) KerberosCredentials {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var size [4]byte
			if _, err := io.ReadFull(c, size[:]); err == nil {
				request := make([]byte, binary.BigEndian.Uint32(size[:]))
				io.ReadFull(c, request)
				answer(request, c)
			}
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	path := filepath.Join(t.TempDir(), "krb5.conf")
	must(t, os.WriteFile(path, fmt.Appendf(nil, "[libdefaults]\n default_realm = %s\n[realms]\n %s = {\n  kdc = %s\n }\n", testRealm, testRealm, l.Addr()), 0o600))
	return KerberosCredentials{Config: path, Principal: "alice", Password: "secret-word"}
}

func sendKDC(c net.Conn, message []byte) {
	c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
}

// preauthError is a KDC's wish for pre-authentication with a hint.
func preauthError(t testing.TB, hints ...types.ETypeInfo2Entry) []byte {
	t.Helper()
	value, err := asn1.Marshal(hints)
	must(t, err)
	data, err := asn1.Marshal(types.PADataSequence{{PADataType: patype.PA_ETYPE_INFO2, PADataValue: value}})
	must(t, err)
	e := messages.NewKRBError(types.NewPrincipalName(2, "krbtgt/"+testRealm), testRealm, errorcode.KDC_ERR_PREAUTH_REQUIRED, "")
	e.EData = data
	message, err := e.Marshal()
	must(t, err)
	return message
}

func TestHostileKDC(t *testing.T) {
	send := func(message []byte) func([]byte, net.Conn) {
		return func(_ []byte, c net.Conn) { sendKDC(c, message) }
	}
	raw := func(s string) func([]byte, net.Conn) {
		return func(_ []byte, c net.Conn) { io.WriteString(c, s) }
	}
	for name, c := range map[string]struct {
		answer func([]byte, net.Conn)
		want   string
	}{
		"hangs up":                {raw(""), "EOF"},
		"half a length":           {raw("\x00\x00"), "unexpected EOF"},
		"half an answer":          {raw("\x00\x00\x00\x09x"), "unexpected EOF"},
		"a huge answer":           {raw("\xff\xff\xff\xff"), "at most"},
		"an empty answer":         {raw("\x00\x00\x00\x00"), "malformed AS-REP"},
		"nonsense":                {send([]byte("nonsense")), "malformed AS-REP"},
		"the request":             {func(request []byte, c net.Conn) { sendKDC(c, request) }, "malformed AS-REP"},
		"RC4 alone":               {send(preauthError(t, types.ETypeInfo2Entry{EType: 23})), "enctype 0"},
		"a million years of work": {send(preauthError(t, types.ETypeInfo2Entry{EType: 18, S2KParams: []byte{0xff, 0xff, 0xff, 0xff}})), "iterations on the password"},
		"a little too much work":  {send(preauthError(t, types.ETypeInfo2Entry{EType: 18, S2KParams: []byte{0, 0x11, 0, 0}})), "iterations on the password"},
		"hardly any work":         {send(preauthError(t, types.ETypeInfo2Entry{EType: 18, S2KParams: []byte{0, 0, 0x0f, 0xff}})), "iterations on the password"},
		"odd work":                {send(preauthError(t, types.ETypeInfo2Entry{EType: 18, S2KParams: []byte{1}})), "iterations on the password"},
		"the same wish for ever":  {send(preauthError(t, types.ETypeInfo2Entry{EType: 23}, types.ETypeInfo2Entry{EType: 18, Salt: "x"})), "KDC_ERR_PREAUTH_REQUIRED"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hostileKDC(t, c.answer).Client(t.Context(), testService, true)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-") {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

// A KDC that says nothing holds nobody longer than ctx.
func TestSilentKDC(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	k := hostileKDC(t, func(_ []byte, c net.Conn) {
		cancel()
		io.Copy(io.Discard, c)
	})
	if _, err := k.Client(ctx, testService, true); err == nil {
		t.Error("a ticket from a KDC that says nothing")
	}
	if _, err := k.Client(ctx, testService, true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// An AS-REP from somebody who does not know our key, or to another request.
func TestFalseASRep(t *testing.T) {
	k := KerberosCredentials{Principal: "alice", Password: "secret-word"}
	alice, tgs := types.NewPrincipalName(1, "alice"), types.NewPrincipalName(2, "krbtgt/"+testRealm)
	req := messages.ASReq{KDCReqFields: messages.KDCReqFields{ReqBody: messages.KDCReqBody{CName: alice, Realm: testRealm, SName: tgs, Nonce: 7}}}
	key, err := k.secretKey(alice, testRealm, types.ETypeInfo2Entry{EType: aes256})
	must(t, err)
	for name, c := range map[string]struct {
		change func(*messages.ASRep, *messages.EncKDCRepPart)
		want   string // "": taken
	}{
		"the right one":         {nil, ""},
		"another nonce":         {func(_ *messages.ASRep, p *messages.EncKDCRepPart) { p.Nonce = 8 }, "another request"},
		"another service":       {func(_ *messages.ASRep, p *messages.EncKDCRepPart) { p.SName = alice }, "another service"},
		"another realm":         {func(_ *messages.ASRep, p *messages.EncKDCRepPart) { p.SRealm = "OTHER.ORG" }, "another service"},
		"another ticket":        {func(r *messages.ASRep, _ *messages.EncKDCRepPart) { r.Ticket.SName = alice }, "another service"},
		"another ticket's home": {func(r *messages.ASRep, _ *messages.EncKDCRepPart) { r.Ticket.Realm = "OTHER.ORG" }, "another service"},
		"another client":        {func(r *messages.ASRep, _ *messages.EncKDCRepPart) { r.CName = tgs }, "another principal"},
		"another client's home": {func(r *messages.ASRep, _ *messages.EncKDCRepPart) { r.CRealm = "OTHER.ORG" }, "another principal"},
		"a weak session key":    {func(_ *messages.ASRep, p *messages.EncKDCRepPart) { p.Key.KeyType = 23 }, "not one of the AES"},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now().UTC()
			ticket := issue(t, aes256, func(g *grant) { g.service = "krbtgt/" + testRealm })
			part := messages.EncKDCRepPart{Key: newKrbKey(key), Nonce: 7, Flags: types.NewKrbFlags(), AuthTime: now, EndTime: now, SRealm: testRealm, SName: tgs}
			rep := messages.ASRep{KDCRepFields: messages.KDCRepFields{PVNO: 5, MsgType: 11, CRealm: testRealm, CName: alice, Ticket: ticket.ticket}}
			if c.change != nil {
				c.change(&rep, &part)
			}
			plain, err := part.Marshal()
			must(t, err)
			rep.EncPart, err = encryptKrb(plain, key, 3)
			must(t, err)
			reply, err := rep.Marshal()
			must(t, err)
			_, err = k.openASRep(reply, req, nil)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

func FuzzKDCReplies(f *testing.F) {
	k := KerberosCredentials{Principal: "alice", Password: "secret-word"}
	alice := types.NewPrincipalName(1, "alice")
	req := messages.ASReq{KDCReqFields: messages.KDCReqFields{ReqBody: messages.KDCReqBody{CName: alice, Realm: testRealm, SName: alice}}}
	refusal := preauthError(f, types.ETypeInfo2Entry{EType: aes256})
	var e messages.KRBError
	must(f, e.Unmarshal(refusal))
	f.Add(refusal)
	f.Add(e.EData)
	f.Fuzz(func(t *testing.T, b []byte) {
		defer func() {
			if r := recover(); r != nil {
				panic(r)
			}
		}()
		var hints types.PADataSequence
		if hints.Unmarshal(b) == nil && keyHint(hints, 0).EType != 0 && enctypeKeyLen(keyHint(hints, 0).EType) == 0 {
			t.Error("a hint at a key that is not AES")
		}
		if _, err := k.openASRep(b, req, hints); err == nil {
			t.Error("a ticket from nobody")
		}
	})
}

func TestKeytabs(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	text := keytabOf([]int32{23}, testService)
	for name, c := range map[string]struct {
		service *KerberosService
		want    string // in Check's error; "": good
	}{
		"any vnc":          {&KerberosService{Keytab: writeKeytab(t, []int32{aes256}, "host/"+testHost, testService)}, ""},
		"this one":         {&KerberosService{Keytab: writeKeytab(t, []int32{aes256}, testService), Principal: testService}, ""},
		"with its realm":   {&KerberosService{Keytab: writeKeytab(t, []int32{aes256}, testService), Principal: testService + "@" + testRealm}, ""},
		"another service":  {&KerberosService{Keytab: writeKeytab(t, []int32{aes256}, "HTTP/"+testHost), Principal: "HTTP/" + testHost}, ""},
		"none called vnc":  {&KerberosService{Keytab: writeKeytab(t, []int32{aes256}, "host/"+testHost)}, "no AES key of a service called vnc"},
		"another host":     {&KerberosService{Keytab: writeKeytab(t, []int32{aes256}, testService), Principal: "vnc/other"}, "no AES key of vnc/other"},
		"another realm":    {&KerberosService{Keytab: writeKeytab(t, []int32{aes256}, testService), Principal: testService + "@OTHER.ORG"}, "no AES key of"},
		"no principal":     {&KerberosService{Keytab: writeKeytab(t, []int32{aes256}, testService), Principal: "vnc"}, "is no service's principal"},
		"RC4 alone":        {&KerberosService{Keytab: file("weak", string(text))}, "no AES key"},
		"absent":           {&KerberosService{Keytab: filepath.Join(dir, "absent")}, "no such file"},
		"a folder":         {&KerberosService{Keytab: dir}, "directory"},
		"empty":            {&KerberosService{Keytab: file("empty", "")}, "not a keytab"},
		"without keys":     {&KerberosService{Keytab: file("bare", "\x05\x02\x00\x00\x00\x00")}, "without keys"},
		"another format":   {&KerberosService{Keytab: file("text", "secret-key")}, "not a keytab"},
		"cut":              {&KerberosService{Keytab: file("cut", string(text[:len(text)-9]))}, "not a keytab"},
		"too large":        {&KerberosService{Keytab: file("large", strings.Repeat("x", maxKeytab+1))}, "larger than"},
		"lengths that lie": {&KerberosService{Keytab: file("lies", "\x05\x02\x00\x00\x00\x08\x00\x01\xff\xff\xff\xff\xff\xff")}, "not a keytab"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.service.Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) || err != nil && strings.Contains(err.Error(), "secret-") {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

func TestFewOf(t *testing.T) {
	if got := fewOf([]string{"b", "a", "b"}); got != "a, b" {
		t.Error(got)
	}
	if got := fewOf([]string{"f", "e", "d", "c", "b", "a"}); got != "a, b, c, d, …" {
		t.Error(got)
	}
}

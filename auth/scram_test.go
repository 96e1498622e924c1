package auth

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"
)

// A vector is one exchange of the user "user" with the password "pencil".
type scramVector struct {
	kind                        scramKind
	binding                     Binding
	keys                        string
	first, final, challenge, ok string
}

// pencil512 are the keys of the user of RFC 7677, 3 for SHA-512.
const pencil512 = "SCRAM-SHA-512$4096:W22ZaJ0SNY7soEsUEjb6gQ==$6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==:jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA=="

const (
	pencilNonce     = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	pencilChallenge = "r=" + pencilNonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)

// scramVectors begins with the bytes printed in RFC 7677, 3. No RFC prints others:
// they were computed from RFC 5802, 3 with Python's hashlib and hmac, by a
// function that gives the first as well.
func scramVectors() []scramVector {
	var bytes32 []byte
	for i := range 32 {
		bytes32 = append(bytes32, byte(i))
	}
	return []scramVector{
		{
			scram256, Binding{}, "user - - " + pencilKeys, "n,,",
			"c=biws,r=" + pencilNonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			pencilChallenge, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
		{
			scram512, Binding{}, "user - - - " + pencil512, "n,,",
			"c=biws,r=" + pencilNonce + ",p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
			pencilChallenge, "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
		},
		{
			scram256, Binding{Exporter: bytes32}, "user - - " + pencilKeys, "p=tls-exporter,,",
			"c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=" + pencilNonce + ",p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
			pencilChallenge, "v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=",
		},
		{
			scram512, Binding{EndPoint: bytes32}, "user - - - " + pencil512, "p=tls-server-end-point,,",
			"c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,r=" + pencilNonce + ",p=nUe1i4s2cekqhb7FffOD5zf+Z5ND38FUAFbPlUjSAwoyboI7VOhAtMMUAAy8HJsUz3Yj/DT0ORLFrxG7KFQhCg==",
			pencilChallenge, "v=EZ1ynPIwK8As82frRzuwOuJuRxiciscpscrKTaNvot0mx0lgtMvUrjImXTwwOZwJlj5Di09qjLHj0Q4mhV2gJA==",
		},
	}
}

func TestScramVectors(t *testing.T) {
	for _, v := range scramVectors() {
		u := openUsers(t, &UsersFile{Path: writeFile(t, v.keys)})
		plus := v.binding.available()
		m := newScram(Mechanisms{Users: u, Binding: v.binding}, v.kind, plus, func() string { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0" })
		for _, step := range []struct{ response, challenge string }{
			{v.first + "n=user,r=rOprNGfwEbeRWgbNEkqO", v.challenge}, {v.final, v.ok},
		} {
			challenge, _, err := m.Next([]byte(step.response))
			if err != nil || string(challenge) != step.challenge {
				t.Fatalf("%s: %s: %q, %v", m.Name(), step.response, challenge, err)
			}
		}
		if id := m.Identity(); id.Name != "user" || id.Method != m.Name() {
			t.Errorf("identity %+v", id)
		}

		client, err := v.kind.hash().NewClientUnprepped("user", "pencil", "")
		must(t, err)
		client.WithNonceGenerator(func() string { return "rOprNGfwEbeRWgbNEkqO" })
		binding := unbound
		if plus {
			binding = bound(v.binding)
		}
		c := &scramClient{scramName(v.kind, plus), binding.flagged(client)}
		name, first, err := c.Start()
		if err != nil || name != m.Name() || string(first) != v.first+"n=user,r=rOprNGfwEbeRWgbNEkqO" {
			t.Fatalf("%s %q, %v", name, first, err)
		}
		if final, err := c.Next([]byte(v.challenge)); err != nil || string(final) != v.final || c.Done() {
			t.Fatalf("final %q, %v, done %v", final, err, c.Done())
		}
		if last, err := c.Next([]byte(v.ok)); err != nil || len(last) != 0 || !c.Done() {
			t.Fatalf("last %q, %v, done %v", last, err, c.Done())
		}
	}
}

// A file from before SCRAM-SHA-512 keeps working, and so does a mixed one: the
// stronger mechanism is held back until nobody lacks its keys.
func TestScramKeysOfOldFiles(t *testing.T) {
	path := writeFile(t, "user - - "+pencilKeys+"\n")
	u := openUsers(t, &UsersFile{Path: path})
	f := &UsersFile{Path: path, cost: cheap}
	names := func() []string { return Mechanisms{Users: u}.Names() }
	if got := names(); !slices.Equal(got, []string{ScramSHA256}) {
		t.Errorf("an old file: %q", got)
	}
	must(t, f.Add("alice", "wonderland"))
	if got := names(); !slices.Equal(got, []string{ScramSHA256}) {
		t.Errorf("a mixed file: %q", got)
	}
	for name, password := range map[string]string{"user": "pencil", "alice": "wonderland"} {
		if _, err := exchange(mustScram(t, name, password), newMechanism(t, u, ScramSHA256)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, f.SetPassword("user", "pencil"))
	if got := names(); !slices.Equal(got, []string{ScramSHA512, ScramSHA256}) {
		t.Errorf("a new file: %q", got)
	}
	must(t, f.Add("carol", ""))
	if got := names(); !slices.Equal(got, []string{ScramSHA512, ScramSHA256}) {
		t.Errorf("with a user without password: %q", got)
	}
}

// authzidClient asks to act for another, which ScramClient never does.
type authzidClient struct {
	*scramClient
	authzid string
}

func (c *authzidClient) Start() (string, []byte, error) {
	client, err := scram.SHA256.NewClient("alice", "wonderland", c.authzid)
	if err != nil {
		return "", nil, err
	}
	c.conversation = client.NewConversation()
	return c.scramClient.Start()
}

func TestScramClientRefusesBadDisplays(t *testing.T) {
	for what, reply := range map[string]string{
		"too many iterations":       "r=%s,s=c2FsdHNhbHQ=,i=2147483647",
		"too few":                   "r=%s,s=c2FsdHNhbHQ=,i=1",
		"no number":                 "r=%s,s=c2FsdHNhbHQ=,i=x",
		"hidden among extensions":   "r=%s,s=c2FsdHNhbHQ=,i=4096,i=2147483647",
		"another nonce":             "r=other,s=c2FsdHNhbHQ=,i=4096",
		"an error":                  "e=unknown-user",
		"a long error":              "e=" + strings.Repeat("x", 1000),
		"mandatory extension":       "m=x,r=%s,s=c2FsdHNhbHQ=,i=4096",
		"nothing":                   "",
		"too much":                  "r=%s,s=c2FsdHNhbHQ=,i=4096," + strings.Repeat("x", MaxResponse),
		"a signature without proof": "v=AAAA",
	} {
		client := mustScram(t, "alice", "wonderland")
		_, first, err := client.Start()
		must(t, err)
		_, nonce, _ := strings.Cut(string(first), "r=")
		_, err = client.Next([]byte(strings.Replace(reply, "%s", nonce+"more", 1)))
		if err == nil {
			t.Errorf("%s: no error", what)
		} else if !strings.HasPrefix(err.Error(), "auth: ") || strings.Contains(err.Error(), "wonderland") || len(err.Error()) > 200 {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

// A display that accepts any password does not know ours.
func TestScramClientDemandsSignature(t *testing.T) {
	client := mustScram(t, "alice", "wonderland")
	_, first, _ := client.Start()
	_, nonce, _ := strings.Cut(string(first), "r=")
	if _, err := client.Next([]byte("r=" + nonce + "more,s=c2FsdHNhbHQ=,i=4096")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Next([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); err == nil {
		t.Error("a wrong signature was accepted")
	}
}

// A display that ends the exchange early has not proved itself, which Done
// tells.
func TestScramClientDone(t *testing.T) {
	client := mustScram(t, "alice", "wonderland")
	done := client.(interface{ Done() bool }).Done
	_, first, _ := client.Start()
	_, nonce, _ := strings.Cut(string(first), "r=")
	if _, err := client.Next([]byte("r=" + nonce + "more,s=c2FsdHNhbHQ=,i=4096")); err != nil || done() {
		t.Errorf("%v, done %v", err, done())
	}
	if _, err := client.Next([]byte("e=other-error")); err == nil || done() {
		t.Errorf("after an error: %v, done %v", err, done())
	}
}

// Who is shut out sees what somebody with a wrong password sees, whatever it
// sends, and the right password is then of no use.
func TestScramShutOut(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	synctest.Test(t, func(t *testing.T) {
		m := Mechanisms{Users: u, Guard: &Guard{}, From: office, Encrypted: true}
		challenge := func() string {
			server := newScram(m, scram256, false, func() string { return "server" })
			challenge, done, err := server.Next([]byte("n,,n=alice,r=client"))
			if err != nil || done {
				t.Fatalf("done %v, %v", done, err)
			}
			return string(challenge)
		}
		free := challenge()
		for range freePerUser {
			server, err := m.New(t.Context(), ScramSHA256)
			must(t, err)
			if _, err := exchange(mustScram(t, "alice", "guess"), server); !errors.Is(err, ErrDenied) {
				t.Fatalf("error %v", err)
			}
		}
		if got := challenge(); got != free {
			t.Errorf("who is shut out sees %s, not %s", got, free)
		}
		for _, name := range []string{ScramSHA256, ScramSHA512, Plain} {
			server, err := m.New(t.Context(), name)
			must(t, err)
			client, err := ChooseClient(t.Context(), []string{name}, aliceCredentials())
			must(t, err)
			if _, err := exchange(client, server); !errors.Is(err, ErrDenied) || !errors.As(err, new(errWait)) || server.Username() != "" {
				t.Errorf("%s: shut out: %v", name, err)
			}
		}
		time.Sleep(time.Second)
		server, err := m.New(t.Context(), ScramSHA512)
		must(t, err)
		client, err := ChooseClient(t.Context(), []string{ScramSHA512}, aliceCredentials())
		must(t, err)
		if _, err := exchange(client, server); err != nil || server.Username() != "alice" {
			t.Errorf("after the wait: %v", err)
		}
	})
}

func TestScramClientSecrets(t *testing.T) {
	for _, c := range []struct{ name, password string }{{"", "x"}, {"\x00", "x"}, {"alice", ""}, {"alice", strings.Repeat("x", 2000)}} {
		if _, err := ScramClient(c.name, c.password); err == nil {
			t.Errorf("%.10q, %.10q: no error", c.name, c.password)
		}
	}
}

// What the server says before the proof must not tell users from strangers.
func TestScramHidesWhoExists(t *testing.T) {
	for kind := range scramKinds {
		t.Run(kind.mechanism(), func(t *testing.T) { testScramHidesWhoExists(t, kind) })
	}
}

func testScramHidesWhoExists(t *testing.T, kind scramKind) {
	u := openUsers(t, newUsersFile(t))
	salt := func(u *Users, name string) string {
		m := newScram(Mechanisms{Users: u}, kind, false, func() string { return "server" })
		challenge, done, err := m.Next([]byte("n,,n=" + name + ",r=client"))
		if err != nil || done {
			t.Fatalf("%s: done %v, %v", name, done, err)
		}
		return string(challenge)
	}
	alice, mallory, carol := salt(u, "alice"), salt(u, "mallory"), salt(u, "carol")
	if len(alice) != len(mallory) || len(alice) != len(carol) {
		t.Errorf("lengths differ:\n%s\n%s\n%s", alice, mallory, carol)
	}
	if mallory == carol || mallory == alice {
		t.Error("two strangers share a salt")
	}
	if salt(u, "mallory") != mallory || salt(u, "carol") != carol {
		t.Error("a stranger's salt changes from one try to the next")
	}
	if other := openUsers(t, &UsersFile{Path: u.file.path}); salt(other, "mallory") == mallory {
		t.Error("a stranger's salt can be foretold: it is the same in another process")
	}
	if salt(u, "mallory=2Cx") == mallory {
		t.Error("the encoded name was cut")
	}
}

// Only a peer that knows a password gets through, and no input panics.
func FuzzScramServer(f *testing.F) {
	for _, s := range []string{"n,,n=alice,r=abc", "n,a=alice,n=alice,r=abc", "y,,n==2C,r=", "p=tls-unique,,n=a,r=b", "p=tls-exporter,,n=alice,r=abc", "", "n,,n=alice,r=a,x=y"} {
		for i := range byte(8) {
			f.Add([]byte(s), []byte("c=biws,r=abcserver,p=AAAA"), i)
		}
	}
	u := openUsers(f, newUsersFile(f))
	f.Fuzz(func(t *testing.T, first, final []byte, form byte) {
		m := Mechanisms{Users: u}
		if form&1 != 0 {
			m.Binding = Binding{Exporter: []byte("exporter"), EndPoint: []byte("end point")}
		}
		plus := form&2 != 0
		server := newScram(m, scramKind(form>>2&1), plus, func() string { return "server" })
		challenge, done, err := server.Next(first)
		if err != nil || done || !bytes.HasPrefix(challenge, []byte("r=")) {
			if done || err == nil {
				t.Fatalf("first: %q, done %v, %v", challenge, done, err)
			}
			return
		}
		if binds := bytes.HasPrefix(first, []byte("p=tls-")); binds != plus || binds && !m.Binding.available() || !binds && first[0] == 'y' && m.Binding.available() {
			t.Fatalf("%s, bound %v: took %q", server.Name(), m.Binding.available(), first)
		}
		if _, done, err := server.Next(final); err == nil || done || server.Username() != "" {
			t.Fatalf("let %q in", server.Username())
		}
	})
}

// The client answers nothing that could make it work for long, and is
// satisfied by no signature that fuzzing can find.
func FuzzScramClient(f *testing.F) {
	for _, s := range []string{"r=%s,s=c2FsdHNhbHQ=,i=4096", "r=%s,s=,i=1", "r=%s,s=c2FsdA==,i=2147483647", "r=%s,s=c2FsdA==,i=4096,i=99999999", "e=other-error", "m=x", ""} {
		for i := range byte(6) {
			f.Add(s, "v=AAAA", i)
		}
	}
	f.Fuzz(func(t *testing.T, first, final string, form byte) {
		binding := []clientBinding{unbound, unseen, bound(Binding{Exporter: []byte("exporter")})}[form%3]
		client, err := newScramClient(scramKind(form/3%2), "alice", "wonderland", binding)
		must(t, err)
		_, hello, _ := client.Start()
		_, nonce, _ := strings.Cut(string(hello), "r=")
		if _, err := client.Next([]byte(strings.Replace(first, "%s", nonce, 1))); err != nil {
			return
		}
		if _, err := client.Next([]byte(final)); err == nil || client.Done() {
			t.Fatalf("satisfied by %q", final)
		}
	})
}

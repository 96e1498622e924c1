package auth

import (
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

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

func TestScramClientSecrets(t *testing.T) {
	for _, c := range []struct{ name, password string }{{"", "x"}, {"\x00", "x"}, {"alice", ""}, {"alice", strings.Repeat("x", 2000)}} {
		if _, err := ScramClient(c.name, c.password); err == nil {
			t.Errorf("%.10q, %.10q: no error", c.name, c.password)
		}
	}
}

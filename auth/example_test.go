package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"vncgate/auth"
)

// A users file is edited by UsersFile and used through Users, which sees each
// edit.
func ExampleUsers() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := &auth.UsersFile{Path: filepath.Join(dir, "users")}
	if err := file.Add("alice", "wonderland", "ops"); err != nil {
		log.Fatal(err)
	}

	users, err := auth.OpenUsers(file.Path)
	if err != nil {
		log.Fatal(err)
	}
	id, err := users.Verify(context.Background(), "alice", "wonderland")
	fmt.Println(id.Name, id.Groups, err)
	_, err = users.Verify(context.Background(), "alice", "guess")
	fmt.Println(errors.Is(err, auth.ErrDenied))
	// Output:
	// alice [ops] <nil>
	// true
}

// Both ends of a SASL exchange: responses in, challenges out. What it ends in is
// an identity, for which the policy has rights.
func ExampleMechanisms() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := &auth.UsersFile{Path: filepath.Join(dir, "users")}
	if err := file.Add("alice", "wonderland", "ops"); err != nil {
		log.Fatal(err)
	}
	users, err := auth.OpenUsers(file.Path)
	if err != nil {
		log.Fatal(err)
	}

	offered := auth.Mechanisms{Users: users, Encrypted: true}
	fmt.Println(offered.Names())
	viewer, err := auth.ChooseClient(context.Background(), offered.Names(), auth.Credentials{
		User:     "alice",
		Password: func(context.Context) (string, error) { return "wonderland", nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	name, response, err := viewer.Start()
	if err != nil {
		log.Fatal(err)
	}
	server, err := offered.New(context.Background(), name)
	if err != nil {
		log.Fatal(err)
	}
	for done := false; err == nil && !done; {
		var challenge []byte
		if challenge, done, err = server.Next(response); err == nil {
			response, err = viewer.Next(challenge)
		}
	}
	id := server.Identity()
	fmt.Println(id.Name, id.Method, id.Groups, err)
	// Output:
	// [SCRAM-SHA-512 SCRAM-SHA-256 PLAIN]
	// alice SCRAM-SHA-512 [ops] <nil>
}

func ExamplePolicy() {
	policy, err := auth.NewPolicy([]auth.Rule{
		{Who: []string{"group:ops"}, Targets: []string{"*"}, Allow: auth.Control | auth.Clipboard},
		{Who: []string{"*"}, Targets: []string{"demo-*"}, Allow: auth.Viewing},
	})
	if err != nil {
		log.Fatal(err)
	}
	alice := auth.Identity{Name: "alice", Method: "x509-plain", Groups: []string{"ops"}}
	guest := auth.Identity{Method: "none"}
	fmt.Println(policy.Decide(auth.Request{Identities: []auth.Identity{alice}, Target: "build-vm"}))
	fmt.Println(policy.Decide(auth.Request{Identities: []auth.Identity{guest}, Target: "demo-1"}))
	fmt.Println(policy.Decide(auth.Request{Identities: []auth.Identity{guest}, Target: "build-vm"}))
	// Output:
	// view,keyboard,pointer,clipboard-in,clipboard-out by rule 1
	// view by rule 2
	// nothing by no rule
}

// Why a policy decides as it does, for people.
func ExamplePolicy_Explain() {
	rules, err := auth.ParseRules(`
		name=office who=group:ops target=* day=mon-fri hours=08:00-18:00 zone=Europe/Berlin allow=control
		name=guests who=* target=demo-* allow=view limits="session=10m"
	`)
	if err != nil {
		log.Fatal(err)
	}
	policy, err := auth.NewPolicy(rules)
	if err != nil {
		log.Fatal(err)
	}
	ids, _ := auth.ParseIdentities("alice[ops]/x509-plain")
	now, _ := auth.ParseMoment("2026-03-02T19:30[Europe/Berlin]")
	for _, verdict := range policy.Explain(auth.Request{Identities: ids, Target: "demo-1", Now: now}) {
		fmt.Println(verdict)
	}
	// Output:
	// rule 1 (office) does not fit alice: is closed until Tue 2026-03-03 08:00:00 CET
	// rule 2 (guests) decides for alice: view within session=10m
}

// Decisions that a policy must make, as a table.
func ExampleParseTable() {
	table, err := auth.ParseTable(`
who=group:ops target=* allow=control
who=* target=demo-* allow=view

-- decisions --
who         target | may      maynot   rule
bob[ops]/x  vm     | control  power    1
/none       demo-1 | view     pointer  2
/none       vm     | view     -        2
`)
	if err != nil {
		log.Fatal(err)
	}
	policy, err := auth.NewPolicy(table.Rules)
	if err != nil {
		log.Fatal(err)
	}
	for _, wrong := range table.Check(policy) {
		fmt.Println(wrong)
	}
	// Output:
	// line 9: (none) on vm: may: want view, have nothing (nothing by no rule)
}

// The limits of a policy, narrowed by those of a token.
func ExampleLimits_Narrow() {
	policy, _ := auth.ParseLimits("session=8h down=5MB/s encodings=tight,zrle")
	token, _ := auth.ParseLimits("session=1h idle=5m encodings=zrle,raw")
	fmt.Println(policy.Narrow(token))
	// Output:
	// session=1h idle=5m down=5MB/s encodings=zrle
}

// A token of an identity provider (here with a secret that both know) becomes an
// identity with the groups that it states.
func ExampleJWTVerifier() {
	secret := []byte("a secret of at least 32 bytes, from a file")
	verifier, err := auth.NewJWTVerifier(auth.JWTConfig{
		Algorithms:  []string{"HS256"},
		Secret:      secret,
		Issuer:      "https://idp.example",
		Audience:    "vncgate",
		GroupsClaim: "realm_access.roles",
	})
	if err != nil {
		log.Fatal(err)
	}

	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, nil)
	if err != nil {
		log.Fatal(err)
	}
	sign := func(audience string) string {
		token, err := jwt.Signed(signer).Claims(map[string]any{
			"iss": "https://idp.example", "aud": audience, "sub": "alice", "exp": time.Now().Add(time.Minute).Unix(),
			"realm_access": map[string]any{"roles": []string{"ops"}},
		}).Serialize()
		if err != nil {
			log.Fatal(err)
		}
		return token
	}
	id, _, err := verifier.Verify(sign("vncgate"))
	fmt.Println(id.Name, id.Groups, err)
	_, _, err = verifier.Verify(sign("another"))
	fmt.Println(errors.Is(err, auth.ErrDenied), err)
	// Output:
	// alice [ops] <nil>
	// true auth: jwt: denied: the token is for another audience
}

// Guesses have to wait from some point on, whatever they guess by then.
func ExampleGuard() {
	guard := &auth.Guard{}
	from := netip.MustParseAddr("192.0.2.1")
	for _, guess := range []string{"1234", "password", "letmein", "qwerty", "dragon", "wonderland"} {
		err := guard.Try(from, "alice", func() error {
			if guess != "wonderland" {
				return auth.ErrDenied
			}
			return nil
		})
		fmt.Println(err)
	}
	// Output:
	// auth: denied
	// auth: denied
	// auth: denied
	// auth: denied
	// auth: denied
	// auth: denied: too many proofs have failed or run at once, 1s to wait
}

package tickets_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// A portal signs which display a link is good for, and what may be done there.
func ExampleJWT() {
	key := []byte("a secret of 32 bytes or longer…")
	source, err := tickets.NewJWT(tickets.JWTConfig{
		Signed: auth.JWTConfig{Algorithms: []string{"HS256"}, Secret: key, Issuer: "portal"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": "portal", "sub": "ada", "exp": 4102444800, "host": "10.0.0.7", "port": 5901, "rights": []string{"view"},
	}).Serialize()
	if err != nil {
		fmt.Println(err)
		return
	}
	ticket, err := source.Lookup(context.Background(), token)
	fmt.Println(ticket.Address, ticket.Identity.Name, ticket.Rights, err)
	_, err = source.Lookup(context.Background(), token+"x")
	fmt.Println(errors.Is(err, tickets.ErrUnknown))
	// Output:
	// 10.0.0.7:5901 ada view <nil>
	// true
}

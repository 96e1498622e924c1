package capability_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/auth/tickets"
)

// A link that lets one viewer look at a display for an hour, until it is
// revoked.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ring, err := capability.OpenRing(filepath.Join(dir, "keys.json"), capability.RingConfig{})
	if err != nil {
		log.Fatal(err)
	}
	store, err := capability.OpenStore(filepath.Join(dir, "tokens"), capability.StoreConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	a := &capability.Authority{Ring: ring, Store: store}

	text, token, err := a.Issue(capability.Token{Targets: []string{"build-vm"}, Uses: 1, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		log.Fatal(err)
	}
	ticket, err := a.Lookup(context.Background(), text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ticket.Target, ticket.Rights == auth.Viewing)

	fmt.Println(store.Use(ticket.ID, "the first", time.Now()))
	fmt.Println(errors.Is(store.Use(ticket.ID, "the second", time.Now()), capability.ErrUsed))

	if err := store.Revoke(capability.Revocation{ID: token.ID, Note: "sent to the wrong person"}); err != nil {
		log.Fatal(err)
	}
	_, err = a.Review(ticket)
	fmt.Println(errors.Is(err, capability.ErrRevoked), errors.Is(err, tickets.ErrUnknown))
	// Output:
	// build-vm true
	// <nil>
	// true
	// true true
}

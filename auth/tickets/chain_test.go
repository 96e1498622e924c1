package tickets_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// known is a source with a fixed answer for each token; any other token gets
// err, or ErrUnknown.
type known struct {
	answers map[string]tickets.Ticket
	err     error
}

func (k known) Lookup(_ context.Context, token string) (tickets.Ticket, error) {
	if t, ok := k.answers[token]; ok {
		return t, nil
	}
	if k.err != nil {
		return tickets.Ticket{}, k.err
	}
	return tickets.Ticket{}, tickets.ErrUnknown
}

// listed is a known that lists its tokens.
type listed struct{ known }

func (l listed) Names(context.Context) ([]string, error) {
	var names []string
	for name := range l.answers {
		names = append(names, name)
	}
	return names, l.err
}

func at(address string) tickets.Ticket { return tickets.Ticket{Address: address} }

func TestFirst(t *testing.T) {
	broken := errors.New("on fire")
	one := known{answers: map[string]tickets.Ticket{"a": at("one:1"), "b": at("one:2")}}
	two := known{answers: map[string]tickets.Ticket{"b": at("two:2"), "c": at("two:3")}}
	for _, tt := range []struct {
		name    string
		chain   tickets.Chain
		token   string
		address string
		err     error
	}{
		{"first", tickets.First(one, two), "a", "one:1", nil},
		{"both", tickets.First(one, two), "b", "one:2", nil},
		{"second", tickets.First(one, two), "c", "two:3", nil},
		{"none", tickets.First(one, two), "d", "", tickets.ErrUnknown},
		{"empty", tickets.First(), "a", "", tickets.ErrUnknown},
		{"failing before one that knows", tickets.First(known{err: broken}, two), "c", "two:3", nil},
		{"failing and none knows", tickets.First(known{err: broken}, two), "d", "", broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.chain.Lookup(context.Background(), tt.token)
			if got.Address != tt.address || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v; want %q, %v", got.Address, err, tt.address, tt.err)
			}
		})
	}
}

func TestFirstGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := tickets.First(known{}, known{}).Lookup(ctx, "a")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the look-up was called off", err)
	}
}

func TestChainNames(t *testing.T) {
	one := listed{known{answers: map[string]tickets.Ticket{"b": {}, "a": {}}}}
	two := listed{known{answers: map[string]tickets.Ticket{"b": {}, "c": {}}}}
	broken := listed{known{err: errors.New("on fire")}}
	got, err := tickets.First(one, known{}, broken, tickets.Named{Name: "two", Source: two}).Names(context.Background())
	if err != nil || !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := tickets.First(broken, known{}).Names(context.Background()); err == nil {
		t.Error("a list that nobody could give is not reported")
	}
}

func TestNamed(t *testing.T) {
	source := tickets.Named{Name: "desk", Source: known{
		answers: map[string]tickets.Ticket{
			"whose": {Address: "a:1", Identity: auth.Identity{Name: "alice", Method: "http"}},
			"any":   at("b:1"),
		},
		err: tickets.ErrUnknown,
	}}
	for token, method := range map[string]string{"whose": "desk", "any": ""} {
		if got, err := source.Lookup(context.Background(), token); err != nil || got.Identity.Method != method {
			t.Errorf("%s: got %q, %v; want %q", token, got.Identity.Method, err, method)
		}
	}
	_, err := source.Lookup(context.Background(), "secret")
	if !errors.Is(err, tickets.ErrUnknown) || !strings.Contains(err.Error(), "desk") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if names, err := source.Names(context.Background()); names != nil || err != nil {
		t.Errorf("names of a source that is no Lister: %q, %v", names, err)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

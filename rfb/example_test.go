package rfb_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"

	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// A display with a password, and a viewer that knows it.
func Example() {
	ctx := context.Background()
	front, back := layertest.Pipe()
	defer front.Close()
	defer back.Close()

	go func() {
		display, err := rfb.Server(ctx, front, &rfb.ServerConfig{Security: []rfb.Security{
			rfb.ServerVncAuth{Passwords: func(context.Context) ([]string, error) { return []string{"sesame"}, nil }},
		}})
		if err != nil {
			return
		}
		if _, err := display.ReadClientInit(ctx); err == nil {
			_ = display.WriteServerInit(ctx, rfb.ServerInit{Width: 640, Height: 480, Format: rfb.Format32(), Name: "desk"})
		}
	}()

	viewer, err := rfb.Client(ctx, back, &rfb.ClientConfig{Security: []rfb.Security{
		rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return "sesame", nil }},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = viewer.WriteClientInit(ctx, true)
	init, err := viewer.ReadServerInit(ctx)
	fmt.Println(viewer.Version, viewer.Secured.Method, init.Name, init.Width, init.Height, err)
	// Output: 3.8 vnc desk 640 480 <nil>
}

// Users of a gateway prove themselves inside TLS; the display is dialled while
// the viewer still waits for the result, so that it can be told what went
// wrong.
func ExampleServerConfig() {
	var tls rfb.Upgrade // a TLS layer
	verify := func(ctx context.Context, user, password string) error { return nil }
	dial := func(ctx context.Context, user string) (net.Conn, error) { return nil, os.ErrNotExist }

	cfg := &rfb.ServerConfig{
		Security: []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{
			rfb.ServerX509{TLS: tls, Inner: rfb.ServerPlain{Verify: verify}},
		}}},
		Approve: func(ctx context.Context, s rfb.Secured) error {
			if _, err := dial(ctx, s.User); err != nil {
				return &rfb.Refusal{Reason: "The display does not answer.", Err: err}
			}
			return nil
		},
	}
	fmt.Println(cfg.Approve(context.Background(), rfb.Secured{User: "mary", Method: "x509-plain"}))
	// Output: refused: The display does not answer.: file does not exist
}

// A display is known by the fingerprint of its key. Where that is not known
// yet, the error tells the one to compare with the display's.
func ExampleClientRSAAES() {
	const pin = "5d0a…"
	display := rfb.ClientRSAAES{
		As: rfb.TypeRA256,
		VerifyKey: func(key *rsa.PublicKey) error {
			if sum := rfb.RSAFingerprint(key); fmt.Sprintf("%x", sum) != pin {
				return fmt.Errorf("the display's key is %x, which its owner knows as %s", sum[:2], rfb.RSASignature(key))
			}
			return nil
		},
		Credentials: func(context.Context) (user, password string, err error) { return "mary", "sesame", nil },
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, 128)), E: 65537}
	fmt.Println(display.Type(), display.VerifyKey(key))
	// Output: ra2-256 the display's key is d811, which its owner knows as ef-28-a0-99-06-ae-7b-83
}

// The strongest type that both sides have, and nothing below a password that
// is safe on its way.
func ExampleStrength() {
	types := []rfb.SecurityType{rfb.TypeVncAuth, rfb.TypeX509Plain, rfb.TypeRA2ne, rfb.TypeNone}
	types = slices.DeleteFunc(types, func(t rfb.SecurityType) bool { return rfb.Strength(t) < rfb.Strength(rfb.TypeRA2ne) })
	slices.SortFunc(types, func(a, b rfb.SecurityType) int { return rfb.Strength(b) - rfb.Strength(a) })
	fmt.Println(types)
	// Output: [x509-plain ra2ne]
}

// A view-only session: requests pass, keys do not.
func ExampleFilter() {
	var toDisplay printer
	f := rfb.NewFilter(&toDisplay, rfb.Policy{})
	messages := rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 640, 480)
	messages = rfb.AppendKeyEvent(messages, true, 0x61)
	_, err := f.Write(messages)
	fmt.Println(f.Passed(), f.Dropped(), err)
	// Output:
	// display reads 030000000000028001e0
	// 1 1 <nil>
}

type printer struct{}

func (*printer) Write(b []byte) (int, error) {
	fmt.Printf("display reads %x\n", b)
	return len(b), nil
}

// A viewer loses the keyboard while it holds a key.
func ExampleFilter_SetPolicy() {
	var display bytes.Buffer
	f := rfb.NewFilter(&display, rfb.Policy{Keyboard: true, Pointer: true})
	_, _ = f.Write(rfb.AppendKeyEvent(nil, true, 'a'))
	_ = f.SetPolicy(rfb.Policy{})
	_, _ = f.Write(rfb.AppendKeyEvent(nil, true, 'b'))
	messages := rfb.NewClientReader(&display)
	for {
		msg, err := messages.Next()
		if err != nil {
			return
		}
		fmt.Printf("%c down: %v\n", msg[7], msg[1] == 1)
	}
	// Output:
	// a down: true
	// a down: false
}

// What is copied on a display stays there.
func ExampleServerFilter() {
	policy := rfb.Policy{Bell: true, Audio: true}
	f := rfb.NewFilter(io.Discard, policy)
	s := rfb.NewServerFilter(f, rfb.ServerInit{Format: rfb.Format32()})

	const headroom = 4 // for somebody's header
	b := make([]byte, headroom)
	b = rfb.AppendBell(b)
	b = rfb.AppendServerCutText(b, "a secret")
	b = rfb.AppendBell(b)
	b, err := s.Cut(b, headroom)
	fmt.Println(b[headroom:], err)
	// Output: [2 2] <nil>
}

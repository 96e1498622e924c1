package control_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// A gateway with a control socket, and a client of it.
func Example() {
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "control.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	server := &control.Server{
		Table:   control.Commands(&control.Backend{Gateway: &gateway.Gateway{}}),
		Version: control.Version{Package: "example"},
	}
	go server.Serve(ln)
	defer server.Close()

	ctx := context.Background()
	client, err := control.Dial(ctx, path)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	list, err := client.Run(ctx, "query-sessions", nil)
	fmt.Println(string(list), err)
	_, err = client.RunOOB(ctx, "session-kill", control.Which{ID: "a0000000"})
	fmt.Println(err)
	// Output:
	// {"sessions":[]} <nil>
	// no session "a0000000": it has ended, or its viewer has not proved who it is yet; query-sessions lists those there are
}

// A command of one's own.
func ExampleTable() {
	type greet struct {
		Name string `json:"name" doc:"whom to greet"`
	}
	table := &control.Table{}
	table.Add(control.New("greet", control.Viewer, "Say hello", func(_ context.Context, _ *control.Call, a greet) (string, error) {
		return "Hello, " + a.Name + ".", nil
	}))
	caller := &control.Call{Role: control.Viewer}
	fmt.Println(table.Run(context.Background(), caller, "greet", []byte(`{"name": "Alice"}`)))
	fmt.Println(table.Run(context.Background(), caller, "greet", nil))
	// Output:
	// Hello, Alice. <nil>
	// <nil> Parameter 'name' is missing: whom to greet
}

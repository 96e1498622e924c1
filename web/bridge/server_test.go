package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/web/bridge"
)

// events collects what the hooks tell.
type events struct {
	mu sync.Mutex
	e  []string
}

func (e *events) add(what string, session uint64, live int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.e = append(e.e, fmt.Sprint(what, session, "/", live))
}

func TestHooksAndWait(t *testing.T) {
	var told events
	s, address := startServer(t, bridge.Config{
		Route:  bridge.Route{Address: echo(t)},
		Opened: func(session uint64, live int) { told.add("+", session, live) },
		Closed: func(session uint64, live int) { told.add("-", session, live) },
	})
	_, _ = get(t, "GET", "http://"+address+"/", nil) // no session
	first, _ := open(t, address, "/", nil)
	say(t, first, "x", "x")
	second, _ := open(t, address, "/", nil)
	say(t, second, "x", "x")
	_ = second.WriteMessage(websocket.BinaryMessage, []byte("quit"))
	_, _ = ended(t, second)
	_ = second.Close()
	for told.mu.Lock(); len(told.e) < 3; told.mu.Lock() {
		told.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	told.mu.Unlock()
	_ = first.WriteMessage(websocket.BinaryMessage, []byte("quit"))
	s.Wait()
	if want := []string{"+1/1", "+2/2", "-2/1", "-1/0"}; !slices.Equal(told.e, want) {
		t.Errorf("told %v, want %v", told.e, want)
	}
}

func TestShutdown(t *testing.T) {
	dialling := make(chan struct{})
	hung := func(ctx context.Context, to bridge.Route) (net.Conn, error) {
		if to.Address == "hung" {
			close(dialling)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		return net.Dial("tcp", to.Address)
	}
	s, address := startServer(t, bridge.Config{
		Lookup: tokens(map[string]string{"a": echo(t), "b": "hung"}), Dial: hung, DialTimeout: time.Hour,
	})
	joined, _ := open(t, address, "/?token=a", nil)
	say(t, joined, "x", "x")
	waiting, _ := open(t, address, "/?token=b", nil)
	<-dialling
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	for name, c := range map[string]*websocket.Conn{"joined": joined, "dialling": waiting} {
		if code, words := ended(t, c); code != websocket.CloseGoingAway || words != "Shutting down" {
			t.Errorf("%s: closed with %d %q", name, code, words)
		}
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if err := s.Serve(listen(t)); err != nil {
		t.Errorf("Serve after Shutdown: %v", err)
	}
}

func TestShutdownInVain(t *testing.T) {
	dialling, stubborn := make(chan struct{}), make(chan struct{})
	s, address := startServer(t, bridge.Config{
		Route: bridge.Route{Address: "x:1"},
		Dial: func(context.Context, bridge.Route) (net.Conn, error) {
			close(dialling)
			<-stubborn
			return nil, errors.New("at last")
		},
	})
	c, _ := open(t, address, "/", nil)
	<-dialling
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	close(stubborn)
	_, _ = ended(t, c)
	s.Wait()
}

func TestServeError(t *testing.T) {
	s, err := bridge.New(bridge.Config{Route: bridge.Route{Address: "x:1"}})
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	_ = ln.Close()
	if err := s.Serve(ln); err == nil {
		t.Error("a closed listener is served")
	}
}

// TestWaitWithoutSessions does not wait, also while one may come.
func TestWaitWithoutSessions(t *testing.T) {
	s, address := startServer(t, bridge.Config{Route: bridge.Route{Address: service(t, func(net.Conn) {})}})
	s.Wait()
	c, _ := open(t, address, "/", nil)
	s.Wait()
	_, _ = ended(t, c)
	s.Wait()
}

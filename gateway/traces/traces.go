// Package traces tells a collector of OpenTelemetry's how long each step of
// setting a session up took.
//
//	e, err := traces.Open(traces.Config{Endpoint: "http://127.0.0.1:4318"})
//	g.Observe = e.Observe
//	...
//	e.Close(ctx)
//
// A trace is one viewer's way to a display: a span for the whole, and below it
// one for each stage that was entered. It is made when the viewer sees the
// display, or is refused, from what the gateway has measured anyway: nothing is
// spent on sessions that go on. What is said of a session is who and where, as in
// the log; it holds neither tokens nor passwords.
//
// Spans are sent by OTLP over HTTP, in JSON (OpenTelemetry protocol 1.x, "OTLP/HTTP
// request", "JSON Protobuf encoding"). Those that cannot be sent are tried again
// for a while, then counted and dropped: a collector that is away costs bounded
// memory, and keeps nobody waiting.
package traces

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/gateway"
)

const (
	// queueLen is how many traces may wait to be sent.
	queueLen = 2048
	// batchLen is how many are sent at once.
	batchLen = 128
	// gather is how long the first of a batch waits for others.
	gather = 2 * time.Second
	// sendTimeout bounds one request.
	sendTimeout = 10 * time.Second
	// firstPause and longestPause are the time between tries, which doubles, and
	// givenUp is when a batch has been tried for long enough.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	givenUp      = 2 * time.Minute
)

// Config says where traces are sent to.
type Config struct {
	// Endpoint is the collector's address, such as http://127.0.0.1:4318. Without
	// a path it is that of the protocol, /v1/traces.
	Endpoint string
	// Headers are added to each request; nil: none. They are asked for each time,
	// and may hold secrets: nothing here shows them.
	Headers func(context.Context) (http.Header, error)
	// Service, Version and Instance say whose spans these are; Service "" means
	// vncgate.
	Service, Version, Instance string
	// TLS is for an https endpoint; nil: the system's authorities.
	TLS *tls.Config
	// Failing is told when traces can no longer be sent, and with nil when they
	// can again; nil: nobody is.
	Failing func(error)
	// Gather is how long the first trace of a request waits for others; 0: two
	// seconds.
	Gather time.Duration
}

// Exporter sends the traces of one gateway.
type Exporter struct {
	cfg     Config
	client  *http.Client
	url     string
	queue   chan trace
	lost    atomic.Int64
	failing bool // the goroutine's own
	closing sync.Once
	stop    chan struct{}
	done    chan struct{}
	end     context.Context // ends what is under way once Close has waited long enough
	cancel  context.CancelFunc
}

// Open begins to send. It fails if the endpoint is no address; whether somebody
// is there shows with the first trace.
func Open(cfg Config) (*Exporter, error) {
	at, err := ParseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	if cfg.Service == "" {
		cfg.Service = "vncgate"
	}
	if cfg.Gather <= 0 {
		cfg.Gather = gather
	}
	e := &Exporter{
		cfg: cfg, client: newClient(cfg.TLS), url: at.String(),
		queue: make(chan trace, queueLen), stop: make(chan struct{}), done: make(chan struct{}),
	}
	e.end, e.cancel = context.WithCancel(context.Background())
	go e.run()
	return e, nil
}

// newClient takes no more than one connection, which is kept, and follows no
// redirection, so that the headers go nowhere else.
func newClient(tlsConfig *tls.Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost, transport.MaxIdleConns = 1, 1
	transport.TLSClientConfig = tlsConfig
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ParseEndpoint checks a collector's address, and completes it with the
// protocol's path.
func ParseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("traces: endpoint: no address of a collector; write http://HOST:4318")
	case u.User != nil:
		return nil, errors.New("traces: endpoint: holds a user's name or password; send them in headers")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("traces: endpoint: no address of a collector; write http://HOST:4318 (OTLP over HTTP, not gRPC's port 4317)")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u, nil
}

// Observe queues the trace of a session that was set up, or refused. It never
// waits.
func (e *Exporter) Observe(event gateway.Event) {
	if event.Kind != gateway.SessionOpened && event.Kind != gateway.SessionRefused || event.Session == nil {
		return
	}
	select {
	case e.queue <- traceOf(&event):
	default:
		e.lost.Add(1)
	}
}

// Lost returns how many traces were dropped, since they could not be sent, came
// faster than that, or were not wanted.
func (e *Exporter) Lost() int64 { return e.lost.Load() }

// Close sends what is left, once, and returns when that is done or ctx ends.
func (e *Exporter) Close(ctx context.Context) {
	e.closing.Do(func() { close(e.stop) })
	defer context.AfterFunc(ctx, e.cancel)()
	<-e.done
	e.cancel()
}

// run sends what is queued, batch by batch, until Close.
func (e *Exporter) run() {
	defer close(e.done)
	defer e.client.CloseIdleConnections()
	for {
		select {
		case first := <-e.queue:
			e.deliver(e.batch(first))
		case <-e.stop:
			for len(e.queue) > 0 {
				e.deliver(e.batch(<-e.queue))
			}
			return
		}
	}
}

// batch is first and what comes soon after it.
func (e *Exporter) batch(first trace) []trace {
	list := []trace{first}
	enough := time.NewTimer(e.cfg.Gather)
	defer enough.Stop()
	for len(list) < batchLen {
		select {
		case next := <-e.queue:
			list = append(list, next)
		case <-enough.C:
			return list
		case <-e.stop: // no waiting any more, but what is there
			for len(list) < batchLen && len(e.queue) > 0 {
				list = append(list, <-e.queue)
			}
			return list
		}
	}
	return list
}

// deliver sends a batch, again and again while that is worth it.
func (e *Exporter) deliver(batch []trace) {
	body := e.encode(batch)
	begun, pause := time.Now(), firstPause
	for {
		rejected, err := e.send(body)
		e.tell(err)
		if err == nil {
			e.lost.Add(int64(rejected))
			return
		}
		var busy *busyError
		again := errors.As(err, &busy)
		if !again || time.Since(begun) > givenUp || !e.pause(max(pause, busy.after)) {
			e.lost.Add(int64(len(batch)))
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// pause reports false if there is no time for another try.
func (e *Exporter) pause(d time.Duration) bool {
	t := time.NewTimer(min(d, longestPause))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.stop:
		return false
	}
}

// tell says when it begins to fail, and when it ends.
func (e *Exporter) tell(err error) {
	if failing := err != nil; failing != e.failing {
		e.failing = failing
		if e.cfg.Failing != nil {
			e.cfg.Failing(err)
		}
	}
}

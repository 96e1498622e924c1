package tickets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bounds of a token API.
const (
	maxToken        = 4096 // bytes of a token that is asked for
	maxHeaders      = 64 << 10
	maxRedirects    = 3
	defaultPatience = 5 * time.Second
)

// HTTPConfig says how to ask a token API.
type HTTPConfig struct {
	// URL has %s or {token} where the token goes, in the path or the query;
	// it is escaped there. With %s a percent sign of the URL's own is written
	// %%, as websockify has it.
	URL string
	// Header is sent with each question: "Authorization: Bearer …".
	Header http.Header
	// TLS is for the connection to an https URL: its roots, and a certificate
	// for a server that wants one. nil: the system's roots.
	TLS *tls.Config
	// Client asks instead of one made here; TLS is not used then.
	Client *http.Client
	// Timeout bounds one question with its answer; 0 is 5 s.
	Timeout time.Duration
	// Keep is for how long a good answer is used again; 0 asks each time. A
	// service whose tokens are good for one use must be asked each time.
	Keep time.Duration
	// KeepUnknown is for how long a token that the service does not know is
	// not asked for again; it has a meaning only with Keep.
	KeepUnknown time.Duration
}

// HTTP is a source that asks a web service (websockify's BaseTokenAPI and
// JSONTokenApi): GET, and an answer of status 2xx in the form of ParseAnswer.
// Status 400, 401, 403, 404, 410 and 422, and a good status without a body,
// say that the token is unknown; any other status is a failure. Redirects are
// followed only on the same scheme, host and port.
//
// With Keep, a look-up that begins Keep or longer after the service changed
// its mind gives the new answer; look-ups for the same token meanwhile wait
// for one question.
type HTTP struct {
	// Report, if set before the first look-up, is told of answers that cannot be
	// used. Their tokens are unknown.
	Report func(error)

	url     template
	header  http.Header
	client  *http.Client
	timeout time.Duration
	cache   cache
}

// NewHTTP checks the configuration. Its errors hold nothing of the URL.
func NewHTTP(cfg HTTPConfig) (*HTTP, error) {
	u, err := parseTemplate(cfg.URL)
	if err != nil {
		return nil, err
	}
	h := &HTTP{url: u, header: cfg.Header.Clone(), client: newClient(cfg), timeout: cfg.Timeout}
	if h.timeout <= 0 {
		h.timeout = defaultPatience
	}
	if h.header == nil {
		h.header = http.Header{}
	}
	if h.header.Get("Accept") == "" {
		h.header.Set("Accept", "application/json, text/plain;q=0.9, */*;q=0.1")
	}
	h.cache.keep, h.cache.keepUnknown = cfg.Keep, cfg.KeepUnknown
	return h, nil
}

func newClient(cfg HTTPConfig) *http.Client {
	client := http.Client{}
	if cfg.Client != nil {
		client = *cfg.Client
	} else {
		client.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        cfg.TLS.Clone(),
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeaders,
		}
	}
	client.CheckRedirect = sameHost
	return &client
}

// sameHost stops at a redirect that leads elsewhere: the token and the header
// are for one service.
func sameHost(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	if next.URL.Scheme != first.Scheme || next.URL.Host != first.Host || len(before) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// Close ends idle connections.
func (h *HTTP) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// Lookup asks the service.
func (h *HTTP) Lookup(ctx context.Context, token string) (Ticket, error) {
	if token == "" || len(token) > maxToken {
		return Ticket{}, ErrUnknown
	}
	return h.cache.lookup(ctx, token, h.ask)
}

func (h *HTTP) ask(ctx context.Context, token string) (Ticket, error) {
	address, ok := h.url.fill(token)
	if !ok {
		return Ticket{}, ErrUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Ticket{}, errors.New("tickets: token API: the URL cannot be asked")
	}
	request.Header = h.header.Clone()
	response, err := h.client.Do(request)
	if err != nil {
		return Ticket{}, h.failure(err, token)
	}
	defer response.Body.Close()
	return h.read(response, token)
}

// read reads the answer to the token.
func (h *HTTP) read(response *http.Response, token string) (Ticket, error) {
	switch status := response.StatusCode; status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusGone, http.StatusUnprocessableEntity:
		return Ticket{}, ErrUnknown
	default:
		if status < 200 || status > 299 {
			return Ticket{}, fmt.Errorf("tickets: token API: the service answered with status %d", status)
		}
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return Ticket{}, h.failure(err, token)
	}
	if len(text) == 0 {
		return Ticket{}, ErrUnknown
	}
	t, err := ParseAnswer(text)
	return from("http", t, err, h.Report)
}

// from adds to an answer where it came from. One that cannot be used is reported,
// and told from no answer by nobody else: who asks for other people's keys is not
// to know that they are there.
func from(source string, t Ticket, err error, report func(error)) (Ticket, error) {
	switch {
	case errors.Is(err, ErrUnknown):
		return Ticket{}, fmt.Errorf("tickets: %s: %w", source, err)
	case err != nil:
		if report != nil {
			report(fmt.Errorf("tickets: %s: %w", source, err))
		}
		return Ticket{}, ErrUnknown
	}
	if t.Identity.Name != "" {
		t.Identity.Method = source
	}
	return t, nil
}

// failure is why there is no answer, without the URL and the token: net/http
// puts them into what it says.
func (h *HTTP) failure(err error, token string) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("tickets: token API: no answer within %v: %w", h.timeout, context.DeadlineExceeded)
	}
	text := err.Error()
	for _, secret := range []string{token, url.PathEscape(token), url.QueryEscape(token), "Location"} {
		if strings.Contains(text, secret) {
			return errors.New("tickets: token API: the service could not be asked")
		}
	}
	return fmt.Errorf("tickets: token API: %w", err)
}

package traces

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"vncgate/gateway"
)

// The messages of opentelemetry/proto/trace/v1/trace.proto that are needed, in
// the JSON that OTLP prescribes: names in lowerCamelCase, identifiers in
// hexadecimal, enumerations as numbers, and 64-bit numbers as text.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	span struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		Parent     string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      nanoseconds `json:"startTimeUnixNano"`
		End        nanoseconds `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Status     *status     `json:"status,omitempty"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		Text string `json:"stringValue"`
	}
	status struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code"`
	}
)

// Kinds of spans and the one status that we send (enums of trace.proto).
const (
	kindInternal = 1
	kindServer   = 2
	kindClient   = 3
	statusError  = 2
)

// Names of ours: the trace's root, and what all spans are made by.
const (
	rootName  = "session set-up"
	scopeName = "vncgate/gateway"
)

// maxText bounds each text of a span: names come from viewers, too.
const maxText = 512

// nanoseconds since 1970.
type nanoseconds time.Time

// MarshalJSON writes them as text.
func (n nanoseconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatInt(max(time.Time(n).UnixNano(), 0), 10)), nil
}

// trace is the spans of one session's set-up, the root first.
type trace []span

// traceOf is what is told of SESSION_OPENED or SESSION_REFUSED.
func traceOf(e *gateway.Event) trace {
	id, begun := newID(16), e.Time.Add(-e.Duration)
	if len(e.Stages) > 0 && e.Stages[0].Begun.Before(begun) { // by as much as passed between two looks at the clock
		begun = e.Stages[0].Begun
	}
	root := span{
		TraceID: id, SpanID: newID(8), Name: rootName, Kind: kindServer,
		Start: nanoseconds(begun), End: nanoseconds(e.Time), Attributes: about(e),
	}
	if e.Kind == gateway.SessionRefused {
		root.Status = failure(e)
	}
	list := trace{root}
	for _, s := range e.Stages {
		kind := kindInternal
		if s.Name == "dial" || s.Name == "display_handshake" {
			kind = kindClient
		}
		list = append(list, span{
			TraceID: id, SpanID: newID(8), Parent: root.SpanID, Name: s.Name, Kind: kind,
			Start: nanoseconds(s.Begun), End: nanoseconds(s.Begun.Add(s.Duration)),
		})
	}
	if e.Kind == gateway.SessionRefused && len(list) > 1 {
		list[len(list)-1].Status = root.Status // that is how far it came
	}
	return list
}

// about is what is known of the session. A ticket's ID is left out: what it is
// for is said by the rest.
func about(e *gateway.Event) (list []attribute) {
	add := func(key, text string) {
		if text != "" {
			list = append(list, attribute{key, value{clip(text)}})
		}
	}
	s := e.Session
	add("vncgate.session", s.ID)
	add("vncgate.listener", e.Listener)
	add("vncgate.target", e.Target)
	add("vncgate.class", s.Class)
	add("client.address", e.From)
	add("user.name", s.Identity.Name)
	add("vncgate.method", s.Identity.Method)
	add("vncgate.rule", s.Rule)
	if e.Kind == gateway.SessionRefused {
		add("error.type", e.Reason)
	}
	return list
}

// failure is why a viewer did not get to see a display.
func failure(e *gateway.Event) *status {
	text := e.Reason
	if e.Err != nil {
		text = e.Err.Error()
	}
	return &status{Message: clip(text), Code: statusError}
}

// encode is the body of a request.
func (e *Exporter) encode(batch []trace) []byte {
	var spans []span
	for _, t := range batch {
		spans = append(spans, t...)
	}
	own := resource{[]attribute{{"service.name", value{e.cfg.Service}}}}
	for _, a := range []attribute{{"service.version", value{e.cfg.Version}}, {"service.instance.id", value{e.cfg.Instance}}} {
		if a.Value.Text != "" {
			own.Attributes = append(own.Attributes, a)
		}
	}
	scopes := []scopeSpans{{scope{scopeName, e.cfg.Version}, spans}}
	body, _ := json.Marshal(request{[]resourceSpans{{own, scopes}}}) // texts and numbers alone: it cannot fail
	return body
}

// newID is n random bytes in hexadecimal. None of them is all zero, which would
// be no identifier.
func newID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	b[0] |= 1
	return hex.EncodeToString(b)
}

func clip(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "�")
}

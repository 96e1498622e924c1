package traces

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxAnswer is how much of an answer is looked at.
const maxAnswer = 64 << 10

// busyError is a failure that may be over by the next try.
type busyError struct {
	err   error
	after time.Duration // as the collector asks; 0: it does not
}

func (e *busyError) Error() string { return e.err.Error() }

func (e *busyError) Unwrap() error { return e.err }

// send posts one request. It returns how many spans the collector did not want, or
// why it has none of them.
func (e *Exporter) send(body []byte) (rejected int, err error) {
	ctx, cancel := context.WithTimeout(e.end, sendTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("traces: %w", err)
	}
	if e.cfg.Headers != nil {
		more, err := e.cfg.Headers(ctx)
		if err != nil {
			return 0, &busyError{err: fmt.Errorf("traces: headers: %w", err)}
		}
		for name, values := range more {
			request.Header[name] = values
		}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "vncgate/"+e.cfg.Version)
	response, err := e.client.Do(request)
	if err != nil {
		return 0, &busyError{err: fmt.Errorf("traces: %w", withoutURL(err))}
	}
	defer response.Body.Close()
	return outcome(response)
}

// withoutURL is what went wrong. The address's query may be a secret.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// outcome is what the collector says (OTLP/HTTP response).
func outcome(response *http.Response) (rejected int, err error) {
	text, readErr := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch code := response.StatusCode; code {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return partial(text), nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return 0, &busyError{
			err:   fmt.Errorf("traces: the collector is not ready: %s", http.StatusText(code)),
			after: min(time.Duration(max(seconds, 0))*time.Second, longestPause),
		}
	default:
		return 0, errors.Join(fmt.Errorf("traces: the collector does not take them: %d %s", code, http.StatusText(code)), readErr)
	}
}

// partial is how many spans were not wanted; what is no JSON says nothing.
func partial(text []byte) int {
	var answer struct {
		PartialSuccess struct {
			RejectedSpans json.Number `json:"rejectedSpans"` // a string of digits: it is 64 bits wide
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return 0
	}
	n, err := answer.PartialSuccess.RejectedSpans.Int64()
	if err != nil {
		return 0
	}
	return int(min(max(n, 0), batchLen)) // of so many traces at most
}

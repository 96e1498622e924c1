package rfb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A DisplayError is a display's refusal to let us in. What it said is for the
// log: a display's words about authentication are never passed on to a viewer.
type DisplayError struct {
	Stage  string // where: StageSecurity or StageAuthentication
	Reason string // its words, at most MaxReasonLen bytes; ours where VeNCrypt has a flag for it; "" when it just closed
}

// The stages of a DisplayError.
const (
	StageSecurity       = "security types" // before a type was chosen: full, locked out, not configured
	StageAuthentication = "authentication" // wrong secret, or the user may not
)

func (e *DisplayError) Error() string {
	if e.Reason == "" {
		return "rfb: display refused: " + e.Stage
	}
	return fmt.Sprintf("rfb: display refused: %s: %q", e.Stage, e.Reason)
}

// A NoCommonSecurityError says that a display offers nothing we were given to
// use.
type NoCommonSecurityError struct {
	Offered []SecurityType // by the display, in its order
	Wanted  []SecurityType // by us
}

func (e *NoCommonSecurityError) Error() string {
	s := "rfb: no common security: display offers " + joinTypes(e.Offered) + ", we can do " + joinTypes(e.Wanted)
	if slices.ContainsFunc(e.Offered, anonymousTLS) {
		s += "; its tls types use anonymous Diffie-Hellman, which cannot be spoken here: enable an X509 type on the display"
	}
	return s
}

// InVeNCrypt reports whether VeNCrypt was agreed on and then none of its
// subtypes, which a display names only after that choice.
func (e *NoCommonSecurityError) InVeNCrypt() bool {
	return len(e.Wanted) > 0 && e.Wanted[0] >= TypePlain
}

// anonymousTLS reports whether t encrypts by anonymous Diffie-Hellman, which
// crypto/tls has on purpose never had.
func anonymousTLS(t SecurityType) bool {
	switch t {
	case TypeTLS, TypeTLSNone, TypeTLSVnc, TypeTLSPlain, TypeTLSSASL, TypeTLSIdent:
		return true
	}
	return false
}

func joinTypes(ts []SecurityType) string {
	if len(ts) == 0 {
		return "nothing"
	}
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// authenticationFailed is all that a viewer learns about a failed proof:
// unknown user, wrong password and locked account look alike.
const authenticationFailed = "Authentication failed"

// failDelay is the least time between a wrong proof and the answer to it.
const failDelay = 100 * time.Millisecond

// FailAuthentication is how a server side answers a wrong proof, and Approve one
// that was right of somebody who may not, so that the two look alike: it waits
// out failDelay and wraps cause, which is for the log alone.
func FailAuthentication(ctx context.Context, cause error) error {
	t := time.NewTimer(failDelay)
	defer t.Stop()
	select {
	case <-t.C:
		return &Refusal{Reason: authenticationFailed, Err: cause}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hungUp turns an end of the stream where the display owed us its judgement
// into the refusal that it is. TLS reports an end without close_notify, which
// is how QEMU leaves, as unexpected.
func hungUp(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &DisplayError{Stage: StageAuthentication}
	}
	return err
}

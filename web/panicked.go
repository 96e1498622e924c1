package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
)

// contained has a fault in the program end the request that meets it, and show in
// the log with its stack: net/http would end it as well, but tell only its own
// log, which is for the noise of strangers. Nothing of the request is logged.
func contained(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler { // that is a way to end a request
				log.Error("fault in the program; this request alone ends", "error", faultOf(v), "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler) // the connection is in an unknown state
		}()
		next.ServeHTTP(w, r)
	})
}

// faultOf shows the runtime's own values alone: any other may have been put
// together from what a browser has sent.
func faultOf(v any) string {
	if fault, ok := v.(runtime.Error); ok {
		return fault.Error()
	}
	return fmt.Sprintf("a panic with a %T", v)
}

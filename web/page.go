package web

import "net/http"

// Page serves the viewer page without an endpoint, for a server that has its
// own for WebSocket at every path.
func Page() http.Handler { return secure(newPages(Config{})) }

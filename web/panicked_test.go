package web

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPanicEndsOneRequest(t *testing.T) {
	const secret = "t0ken"
	var log bytes.Buffer
	var list []int
	handler := contained(slog.New(slog.NewTextHandler(&log, nil)), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("token " + secret)
		case "/index":
			_, _ = io.WriteString(w, string(rune(list[1])))
		case "/abort":
			panic(http.ErrAbortHandler)
		}
	}))
	for path, want := range map[string]string{"/panic": "a panic with a string", "/index": "index out of range", "/abort": "", "/": ""} {
		log.Reset()
		func() {
			defer func() {
				if v := recover(); (v == http.ErrAbortHandler) != (path != "/") {
					t.Errorf("%s: %v", path, v)
				}
			}()
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		}()
		if text := log.String(); strings.Contains(text, secret) || want == "" && text != "" || !strings.Contains(text, want) || want != "" && !strings.Contains(text, "panicked_test.go") {
			t.Errorf("%s: the log says %q", path, text)
		}
	}
}

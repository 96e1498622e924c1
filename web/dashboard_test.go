package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The dashboard is at the admin listener and nowhere else, whether it was built
// or not.
func TestDashboard(t *testing.T) {
	files, err := fs.Sub(built, "ui/dist")
	if err != nil {
		t.Fatal(err)
	}
	_, err = fs.Stat(files, dashboardPage)
	page := http.StatusOK
	if err != nil {
		page = http.StatusNotFound
	}
	viewers := newPages(Config{})
	for _, test := range []struct {
		of           http.Handler
		method, path string
		status       int
		says         string
	}{
		{Dashboard(), "GET", "/", page, "<title>"},
		{Dashboard(), "POST", "/", http.StatusMethodNotAllowed, ""},
		{Dashboard(), "GET", "/vnc.html", http.StatusNotFound, ""},
		{Dashboard(), "GET", "/mandatory.json", http.StatusNotFound, ""},
		{Dashboard(), "GET", "/assets/", http.StatusNotFound, ""},
		{Dashboard(), "GET", "/assets/../index.html", http.StatusNotFound, ""},
		{viewers, "GET", "/" + dashboardPage, http.StatusNotFound, ""},
	} {
		rec := httptest.NewRecorder()
		test.of.ServeHTTP(rec, httptest.NewRequest(test.method, test.path, nil))
		if rec.Code != test.status || !strings.Contains(rec.Body.String(), test.says) {
			t.Errorf("%s %s: %d %s; want %d", test.method, test.path, rec.Code, rec.Body, test.status)
		}
		if test.of != http.Handler(viewers) && !strings.Contains(rec.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s has no policy", test.path)
		}
	}
}

package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"vncgate/web"
)

func TestPageAlone(t *testing.T) {
	s := httptest.NewServer(web.Page())
	defer s.Close()
	for path, want := range map[string]int{"/defaults.json": http.StatusOK, "/nothing": http.StatusNotFound} {
		res, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want || res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %s, %v", path, res.Status, res.Header)
		}
	}
}

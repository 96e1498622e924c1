package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/web"
)

// shares makes tokens that the test knows.
type shares struct {
	mu    sync.Mutex
	may   []string
	fault error
	made  []web.ShareRequest
	keys  []string
	taken []string
}

func (s *shares) sharing() *web.Sharing {
	return &web.Sharing{
		May: func(string) ([]string, time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.may, 2 * time.Hour
		},
		Make: func(_ context.Context, key string, want web.ShareRequest) (web.Share, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.made, s.keys = append(s.made, want), append(s.keys, key)
			return web.Share{ID: "id-1", Token: "secret-5f0c", Link: "https://guests.example/", Expires: time.Now().Add(want.TTL)}, s.fault
		},
		Revoke: func(_ context.Context, _, id string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if id != "id-1" {
				return &web.Refusal{Status: http.StatusNotFound, Words: "There is no such link."}
			}
			s.taken = append(s.taken, id)
			return s.fault
		},
	}
}

func (s *shares) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

func TestShare(t *testing.T) {
	shares := &shares{may: []string{"view", "keyboard"}}
	s := newStage(t, func(_ *stage, c *web.Config) { c.Sharing = shares.sharing() })
	p := s.open(t, "?notices=1")
	first := p.next("rights")
	if strings.Join(first.Shareable, ",") != "view,keyboard" {
		t.Fatalf("the first notice is %+v", first)
	}
	status, answer := s.wish(t, `{"key":"`+first.Key+`","share":{"rights":["view"],"seconds":3600,"uses":2}}`)
	if left, _ := answer["left"].(float64); status != http.StatusOK || answer["token"] != "secret-5f0c" || answer["id"] != "id-1" || answer["link"] != "https://guests.example/" || left < 3500 || left > 3600 {
		t.Fatalf("%d %v", status, answer)
	}
	if got := shares.made[0]; len(got.Rights) != 1 || got.Rights[0] != "view" || got.TTL != time.Hour || got.Uses != 2 || shares.keys[0] != first.Key {
		t.Errorf("made %+v", got)
	}
	if status, answer := s.wish(t, `{"key":"`+first.Key+`","unshare":"id-1"}`); status != http.StatusOK || len(shares.taken) != 1 {
		t.Errorf("taken back: %d %v", status, answer)
	}
	if status, answer := s.wish(t, `{"key":"`+first.Key+`","unshare":"id-2"}`); status != http.StatusNotFound || answer["error"] != "There is no such link." {
		t.Errorf("another's: %d %v", status, answer)
	}
	log := s.log.String()
	if !strings.Contains(log, "token_id=id-1") || strings.Contains(log, "5f0c") || strings.Contains(log, first.Key) {
		t.Errorf("the log:\n%s", log)
	}
}

func TestShareIsBounded(t *testing.T) {
	shares := &shares{may: []string{"view"}}
	s := newStage(t, func(_ *stage, c *web.Config) { c.Sharing = shares.sharing() })
	key := s.open(t, "?notices=1").next("rights").Key
	for _, test := range []struct {
		name, share string
		status      int
	}{
		{"more than it may pass on", `{"rights":["view","keyboard"],"seconds":60}`, http.StatusForbidden},
		{"no rights", `{"rights":[],"seconds":60}`, http.StatusBadRequest},
		{"no time", `{"rights":["view"]}`, http.StatusBadRequest},
		{"a time that has passed", `{"rights":["view"],"seconds":-1}`, http.StatusBadRequest},
		{"for ever", `{"rights":["view"],"seconds":9223372036854775807}`, http.StatusBadRequest},
		{"for far too many", `{"rights":["view"],"seconds":60,"uses":1001}`, http.StatusBadRequest},
		{"for fewer than nobody", `{"rights":["view"],"seconds":60,"uses":-1}`, http.StatusBadRequest},
	} {
		if status, answer := s.wish(t, `{"key":"`+key+`","share":`+test.share+`}`); status != test.status || answer["error"] == "" {
			t.Errorf("%s: %d %v, want %d", test.name, status, answer, test.status)
		}
	}
	if len(shares.made) != 0 {
		t.Errorf("made %+v", shares.made)
	}
	good := `{"key":"` + key + `","share":{"rights":["view"],"seconds":60}}`
	shares.fail(errors.New("disk full, secret-5f0c"))
	if status, answer := s.wish(t, good); status != http.StatusBadGateway || strings.Contains(answer["error"].(string), "disk") {
		t.Errorf("a fault: %d %v", status, answer)
	}
	shares.mu.Lock()
	shares.may = nil
	shares.mu.Unlock()
	if status, _ := s.wish(t, good); status != http.StatusForbidden {
		t.Errorf("may not any more: %d", status)
	}
}

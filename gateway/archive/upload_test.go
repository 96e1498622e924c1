package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
)

// bucket is a server that speaks S3, or what stands at its door.
type bucket struct {
	S3
	down atomic.Bool // it answers 503
	// after so many requests one is broken off, and breaks called
	after  atomic.Int64
	breaks atomic.Pointer[context.CancelFunc]

	mu       sync.Mutex
	uploaded []string
	failing  []error
}

const (
	bucketName = "recordings"
	part       = 5 << 20 // the least there is
)

// newBucket starts gofakes3.
func newBucket(t *testing.T) *bucket {
	t.Helper()
	b := &bucket{}
	b.S3 = S3{
		Bucket: bucketName, Prefix: "gate-1/", Region: "us-east-1", PathStyle: true, part: part,
		Keys: func(context.Context) (string, string, error) { return "an-access-key", "a-secret-key", nil },
		Uploaded: func(name string, bytes int64) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.uploaded = append(b.uploaded, fmt.Sprint(name, " ", bytes))
		},
		Failing: func(err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.failing = append(b.failing, err)
		},
	}
	b.serve(t)
	client, transport, err := b.client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	if err := client.MakeBucket(t.Context(), bucketName, minio.MakeBucketOptions{Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	return b
}

// told is what has been told so far.
func (b *bucket) told() (uploaded []string, failing []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.uploaded), slices.Clone(b.failing)
}

// get is an object.
func (b *bucket) get(t *testing.T, name string) []byte {
	t.Helper()
	client, transport, err := b.client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	object, err := client.GetObject(t.Context(), bucketName, b.Prefix+name, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	content, err := io.ReadAll(object)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return content
}

func (b *bucket) serve(t *testing.T) {
	t.Helper()
	behind := gofakes3.New(s3mem.New(), gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.after.Load() > 0 && b.after.Add(-1) == 0 {
			(*b.breaks.Load())()
			panic(http.ErrAbortHandler)
		}
		if b.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.Endpoint = server.URL
}

// content is what tests write.
func content(n int, seed uint64) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// put writes a recording of two files, and leaves it open.
func (s *shelf) put(t *testing.T, name string, display, index []byte) *Writing {
	t.Helper()
	w, err := s.Begin(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, b := range map[string][]byte{".fbs": display, ".index": index} {
		f, err := w.Create(name + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Recordings are in the bucket once they have ended, those in several parts too, and
// no longer in the folder. One that is written to stays.
func TestUpload(t *testing.T) {
	b := newBucket(t)
	s := newShelf(t, Config{})
	u := NewUploader(s.Folder)
	u.Set(&b.S3)
	large, small := content(part+part/2, 1), content(1000, 2)
	s.put(t, "a", large, small).End()
	open := s.put(t, "b", small, small)
	if err := u.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, "a.fbs"); !bytes.Equal(got, large) {
		t.Errorf("%d bytes have arrived of %d, or not those", len(got), len(large))
	}
	if got := b.get(t, "a.index"); !bytes.Equal(got, small) {
		t.Error("the index has arrived otherwise")
	}
	s.mustHave(t, "b")
	open.End()
	if err := u.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mustHave(t)
	if uploaded, failing := b.told(); !slices.Equal(uploaded, []string{fmt.Sprint("a ", len(large)+1000), "b 2000"}) || failing != nil {
		t.Errorf("told of %q, %v", uploaded, failing)
	}
	if s.Used() != 0 || u.Waiting() != 0 {
		t.Errorf("%d bytes, %d wait", s.Used(), u.Waiting())
	}
}

// While the server cannot be reached recordings wait, in bounded room, and somebody
// is told; then they arrive, whole.
func TestUploadThatFails(t *testing.T) {
	b := newBucket(t)
	s := newShelf(t, Config{Room: 5000})
	u := NewUploader(s.Folder)
	u.Set(&b.S3)
	b.down.Store(true)
	s.put(t, "a", content(1000, 1), content(1000, 2)).End()
	for range 2 {
		if err := u.round(t.Context()); err == nil {
			t.Fatal("uploaded to a server that is down")
		}
	}
	s.put(t, "b", content(1000, 3), content(1000, 4)).End()
	w, err := s.Begin("c", 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := w.Create("c.fbs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 1001)); !errors.Is(err, ErrNoRoom) {
		t.Errorf("what waits has no bound: %v", err)
	}
	w.End()
	s.mustHave(t, "a", "b")
	b.down.Store(false)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { u.Run(ctx) })
	for end := time.Now().Add(time.Minute); len(s.has(t)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("they do not arrive")
		}
	}
	cancel()
	running.Wait()
	if got := b.get(t, "b.fbs"); !bytes.Equal(got, content(1000, 3)) {
		t.Error("it has arrived otherwise")
	}
	if _, failing := b.told(); len(failing) != 2 || failing[0] == nil || failing[1] != nil {
		t.Errorf("told of %v", failing)
	}
}

// An upload that breaks off anywhere is begun anew, and the recording stays until
// all of it has arrived.
func TestUploadThatBreaksOff(t *testing.T) {
	b := newBucket(t)
	s := newShelf(t, Config{})
	u := NewUploader(s.Folder)
	u.Set(&b.S3)
	want := content(part+1000, 1)
	s.put(t, "a", want, want[:1000]).End()
	for request := int64(1); ; request++ {
		ctx, cancel := context.WithCancel(t.Context())
		b.breaks.Store(&cancel) // no second try within the round
		b.after.Store(request)
		err := u.round(ctx)
		cancel()
		if b.after.Swap(0) > 0 { // it came to its end before that request
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	s.mustHave(t)
	if got := b.get(t, "a.fbs"); !bytes.Equal(got, want) {
		t.Error("it has arrived otherwise")
	}
}

// Keys that cannot be had are an error that has none of them in it.
func TestUploadWithoutKeys(t *testing.T) {
	b := newBucket(t)
	s := newShelf(t, Config{})
	s.put(t, "a", nil, nil).End()
	b.Keys = func(context.Context) (string, string, error) { return "", "", os.ErrNotExist }
	u := NewUploader(s.Folder)
	u.Set(&b.S3)
	if err := u.round(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(s.Path(), "a.fbs")); err != nil {
		t.Error(err)
	}
}

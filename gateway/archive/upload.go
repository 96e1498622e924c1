package archive

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	// partSize is that of the parts in which large files are sent: S3 takes 10,000
	// of them.
	partSize = 32 << 20
	// firstPause and longestPause are how long a failed upload waits for its next
	// try.
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// lookAgain is how often it is looked for what nobody has told of: the
	// recordings of a process that is no more.
	lookAgain = time.Minute
	// answerTime bounds the wait for an answer to one request.
	answerTime = 2 * time.Minute
)

// S3 is a bucket of a server that speaks S3.
type S3 struct {
	// Endpoint is the server's URL, with http or https and no path.
	Endpoint string
	Bucket   string
	// Region is the bucket's; "" has the server say.
	Region string
	// Prefix goes before the names of the objects, which are those of the files.
	Prefix string
	// PathStyle has the bucket in the path, and not in the host's name.
	PathStyle bool
	// RootCAs are who may vouch for the server; nil: those of the system.
	RootCAs *x509.CertPool
	// Keys are asked for before each round of uploads.
	Keys func(ctx context.Context) (access, secret string, err error)
	// Uploaded is told of each recording that is in the bucket, and no longer in
	// the folder. It has to return at once; nil: nobody is told.
	Uploaded func(name string, bytes int64)
	// Failing is told why recordings cannot be uploaded, once until they can be,
	// of which it is told with nil. It has to return at once; nil: nobody is told.
	Failing func(error)

	part int64 // 0: partSize
}

// Uploader brings recordings that have ended from a folder to a bucket, one after
// the other, and tries again until they are there. The folder's room bounds what
// waits.
type Uploader struct {
	f    *Folder
	wake chan struct{}

	to      atomic.Pointer[S3]
	waiting atomic.Int64

	mu      sync.Mutex
	failing bool
}

// NewUploader returns an Uploader for f, which does nothing until Set.
func NewUploader(f *Folder) *Uploader { return &Uploader{f: f, wake: make(chan struct{}, 1)} }

// Set says where recordings go to from now on; nil: they stay.
func (u *Uploader) Set(to *S3) {
	u.to.Store(to)
	u.Wake()
}

// Wake says that a recording may have ended.
func (u *Uploader) Wake() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Waiting is how many recordings have ended and are not in the bucket yet.
func (u *Uploader) Waiting() int { return int(u.waiting.Load()) }

// Run uploads until ctx ends. What is under way then is begun anew by whoever comes
// next.
func (u *Uploader) Run(ctx context.Context) {
	for pause := firstPause; ; {
		next := lookAgain
		if err := u.round(ctx); err == nil {
			pause = firstPause
		} else {
			next = pause
			pause = min(2*pause, longestPause)
		}
		timer := time.NewTimer(next)
		wake := u.wake
		if next != lookAgain {
			wake = nil // one more does not mend what fails
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-wake:
			timer.Stop()
		}
	}
}

// round uploads all that has ended.
func (u *Uploader) round(ctx context.Context) error {
	to := u.to.Load()
	if to == nil {
		u.waiting.Store(0)
		return nil
	}
	ended, err := u.f.ended()
	u.waiting.Store(int64(len(ended)))
	if err == nil && len(ended) > 0 {
		err = u.upload(ctx, to, ended)
	}
	if ctx.Err() == nil {
		u.tell(to, err)
	}
	return err
}

func (u *Uploader) upload(ctx context.Context, to *S3, ended []kept) error {
	client, transport, err := to.client(ctx)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	for i := range ended {
		if err := u.one(ctx, client, to, &ended[i]); err != nil {
			return err
		}
		u.tell(to, nil)
		u.waiting.Store(int64(len(ended) - 1 - i))
	}
	return nil
}

// tell tells of a change.
func (u *Uploader) tell(to *S3, err error) {
	u.mu.Lock()
	change := u.failing != (err != nil)
	u.failing = err != nil
	u.mu.Unlock()
	if change && to.Failing != nil {
		to.Failing(err)
	}
}

// one uploads a recording and removes it here once it is there. It is locked
// meanwhile, so that no other process does the same.
func (u *Uploader) one(ctx context.Context, client *minio.Client, to *S3, k *kept) error {
	files := slices.Clone(k.files)
	slices.SortFunc(files, func(a, b string) int { // the index last: whoever finds it finds all
		return count(strings.Contains(a, ".index")) - count(strings.Contains(b, ".index"))
	})
	open := make([]*os.File, 0, len(files))
	defer func() {
		for _, f := range open {
			_ = f.Close()
		}
	}()
	for _, name := range files {
		f, err := os.OpenFile(filepath.Join(u.f.path, name), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another process was faster
		}
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		open = append(open, f)
		if lock(f) != nil {
			return nil // another process is at it
		}
	}
	for i, f := range open {
		if files[i] == k.keep {
			continue
		}
		if err := to.put(ctx, client, f, files[i]); err != nil {
			return fmt.Errorf("archive: upload %s: %w", files[i], err)
		}
	}
	return u.f.uploaded(k, to)
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// put uploads one file, and asks whether all of it is there.
func (s *S3) put(ctx context.Context, client *minio.Client, f *os.File, name string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	key := s.Prefix + name
	if info.Size() > s.partSize() {
		_ = client.RemoveIncompleteUpload(ctx, s.Bucket, key) // of a try that was broken off
	}
	_, err = client.PutObject(ctx, s.Bucket, key, f, info.Size(), minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: uint64(s.partSize()), NumThreads: 1,
		SendContentMd5: true, DisableContentSha256: true, // what every server understands, and checks
	})
	if err != nil {
		return err
	}
	there, err := client.StatObject(ctx, s.Bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return err
	}
	if there.Size != info.Size() {
		return fmt.Errorf("%d bytes are there of %d", there.Size, info.Size())
	}
	return nil
}

func (s *S3) partSize() int64 { return cmp.Or(s.part, partSize) }

// client is made for each round, with the keys as they are then.
func (s *S3) client(ctx context.Context) (*minio.Client, *http.Transport, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, nil, errors.New("archive: the endpoint is no URL")
	}
	access, secret, err := s.Keys(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("archive: %w", err)
	}
	transport, err := minio.DefaultTransport(u.Scheme == "https")
	if err != nil {
		return nil, nil, fmt.Errorf("archive: %w", err)
	}
	if s.RootCAs != nil && transport.TLSClientConfig != nil {
		transport.TLSClientConfig.RootCAs = s.RootCAs
	}
	transport.ResponseHeaderTimeout = answerTime
	style := minio.BucketLookupAuto
	if s.PathStyle {
		style = minio.BucketLookupPath
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(access, secret, ""), Secure: u.Scheme == "https", Region: s.Region,
		BucketLookup: style, Transport: transport, MaxRetries: 2, // the rounds try again, with longer pauses
	})
	if err != nil {
		return nil, nil, fmt.Errorf("archive: %w", err)
	}
	return client, transport, nil
}

// ended are the recordings that nobody writes to, oldest first.
func (f *Folder) ended() ([]kept, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.look(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(f.aged), func(k kept) bool { return f.written(&k) }), nil
}

// uploaded removes a recording that is in the bucket.
func (f *Folder) uploaded(k *kept, to *S3) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range k.files {
		if err := os.Remove(filepath.Join(f.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("archive: it is uploaded and cannot be removed here: %w", err)
		}
	}
	f.used -= k.bytes
	f.aged = slices.DeleteFunc(f.aged, func(o kept) bool { return o.name == k.name })
	if to.Uploaded != nil {
		to.Uploaded(k.name, k.bytes)
	}
	return nil
}

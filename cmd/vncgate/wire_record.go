package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"filippo.io/age"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/gateway/archive"
	"vncgate/rfb"
	"vncgate/rfb/display/recording"
)

// recordings are how sessions that open now are recorded: what the configuration
// that is in force says.
type recordings struct {
	cfg        *recordingsConfig
	rules      []recordRule
	recipients []age.Recipient
	signer     ed25519.PrivateKey
	folder     *archive.Folder
	uploads    *archive.Uploader
	bucket     *archive.S3 // nil: they stay in the folder
}

// recorderHouse are the recordings of this process: those under way, and the
// folders that they are in, which outlive a reload.
type recorderHouse struct {
	workers *recording.Workers

	mu      sync.Mutex
	folders map[string]*shelf
	open    map[string]*recorded // by the session's ID
	ending  sync.WaitGroup       // those that are written to their end

	uploading context.Context // nil: not yet
	uploaders sync.WaitGroup

	failing atomic.Pointer[string] // why the last one failed; nil: it did not
}

// shelf is a folder, and what brings recordings away from there.
type shelf struct {
	folder  *archive.Folder
	uploads *archive.Uploader
}

// keyframeMemory bounds what waits for keyframes of all sessions.
const keyframeMemory = 64 << 20

// openRecordings prepares what next says of recordings.
func (w *wiring) openRecordings(next, before *inForce) error {
	cfg := next.cfg.Recordings
	if cfg == nil {
		return nil
	}
	if before.recordings != nil && reflect.DeepEqual(cfg, before.cfg.Recordings) {
		next.recordings = before.recordings
		return nil
	}
	signal.Ignore(syscall.SIGXFSZ) // a limit of the files' size is an error like a full disk, not the end
	r := &recordings{cfg: cfg}
	var err error
	if r.rules, err = cfg.compile(); err != nil {
		return fmt.Errorf("recordings: %w", err)
	}
	if r.recipients, err = cfg.recipients(); err != nil {
		return fmt.Errorf("recordings: recipients: %w", err)
	}
	if r.bucket, err = w.bucket(cfg.S3); err != nil {
		return fmt.Errorf("recordings: s3: %w", err)
	}
	place, err := w.house.folder(cfg, w)
	if err != nil {
		return fmt.Errorf("recordings: %w", err)
	}
	r.folder, r.uploads = place.folder, place.uploads
	if r.signer, err = recordingSigner(cfg.keyFile(next.cfg), true); err != nil {
		return fmt.Errorf("recordings: key: %w", err)
	}
	next.recordings = r
	return nil
}

// folder is the one of that path, which all that is in it shares. How it is kept is
// set when that is in force.
func (h *recorderHouse) folder(cfg *recordingsConfig, w *wiring) (*shelf, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	path, err := filepath.Abs(cfg.Directory)
	if err != nil {
		return nil, err
	}
	if f := h.folders[path]; f != nil {
		return f, nil
	}
	f, err := archive.Open(w.archiveConfig(cfg))
	if err != nil {
		return nil, err
	}
	if h.folders == nil {
		h.folders, h.open = map[string]*shelf{}, map[string]*recorded{}
		h.workers = recording.NewWorkers(max(cfg.Workers, 1), keyframeMemory)
	}
	place := &shelf{f, archive.NewUploader(f)}
	h.folders[path] = place
	if h.uploading != nil {
		h.upload(place)
	}
	return place, nil
}

func (w *wiring) archiveConfig(cfg *recordingsConfig) archive.Config {
	return archive.Config{
		Path: cfg.Directory, Room: int64(cfg.Room), Remove: cfg.Over != overRefuse && cfg.S3 == nil, Keep: time.Duration(cfg.How.Keep),
		Removed: w.recordingRemoved, Failed: w.recordingStays,
	}
}

// keepRecordings has the folder keep its recordings as it is said now.
func (r *recordings) keepRecordings(w *wiring) {
	if r != nil {
		r.folder.Set(w.archiveConfig(r.cfg))
		r.uploads.Set(r.bucket)
	}
}

// uploadRecordings brings recordings away until ctx ends: from all folders, those
// of a reload among them.
func (h *recorderHouse) uploadRecordings(ctx context.Context) {
	h.mu.Lock()
	h.uploading = ctx
	for _, place := range h.folders {
		h.upload(place)
	}
	h.mu.Unlock()
	<-ctx.Done()
	h.uploaders.Wait()
}

// upload begins for one folder; h.mu is held.
func (h *recorderHouse) upload(place *shelf) {
	ctx := h.uploading
	h.uploaders.Go(func() { place.uploads.Run(ctx) })
}

// rule is the first that fits the session; nil: it is not recorded.
func (r *recordings) rule(s *gateway.SessionInfo) *recordRule {
	for i := range r.rules {
		if rule := &r.rules[i]; rule.about(s) {
			if !rule.record {
				return nil
			}
			return rule
		}
	}
	return nil
}

// about reports whether a rule fits a session: one of what its viewer has proved
// is enough.
func (r *recordRule) about(s *gateway.SessionInfo) bool {
	if len(r.listeners) > 0 && !slices.Contains(r.listeners, s.Listener) {
		return false
	}
	identities := s.Identities
	if len(identities) == 0 {
		identities = []auth.Identity{s.Identity}
	}
	return slices.ContainsFunc(identities, func(id auth.Identity) bool {
		return r.fits.Decide(auth.Request{Identities: []auth.Identity{id}, Target: s.Target, Address: hostOf(s.From), Now: time.Now()}).Allowed()
	})
}

// named is a session with its display called as in the policy, for rules: no
// spelling of an address leads past one.
func (w *wiring) named(s gateway.SessionInfo) *gateway.SessionInfo {
	s.Target = w.policyName(s.Target)
	return &s
}

// recordingFor is the recorderFor of recordings.
func (w *wiring) recordingFor(_ context.Context, s gateway.SessionInfo, init rfb.ServerInit) (gateway.Recorder, error) {
	r := w.now().recordings
	if r == nil {
		return nil, nil
	}
	rule := r.rule(w.named(s))
	if rule == nil {
		return nil, nil
	}
	rec, err := w.beginRecording(r, rule, s, init)
	if err == nil {
		return rec, nil
	}
	rec = &recorded{w: w, rule: rule, session: s, began: time.Now()}
	if told := rec.failed(err); told != nil {
		return nil, told
	}
	return nil, nil
}

// beginRecording makes the files.
func (w *wiring) beginRecording(r *recordings, rule *recordRule, s gateway.SessionInfo, init rfb.ServerInit) (*recorded, error) {
	name := r.cfg.nameOf(&s, time.Now())
	place, err := r.folder.Begin(name, rule.keepTime(r.cfg.How))
	if err != nil {
		return nil, err
	}
	rec := &recorded{w: w, rule: rule, session: s, name: name, place: place, began: time.Now(), ended: r.uploads.Wake}
	rec.to, err = recording.New(place, recording.Options{
		Name: name, Init: init, Queue: int(r.cfg.Queue), Compress: r.cfg.Compress, Recipients: r.recipients, Signer: r.signer,
		Meta:   recording.Meta{Session: s.ID, Target: s.Target, User: s.Identity.Name, From: s.From, Listener: s.Listener},
		Redact: rule.redact, Workers: w.house.workers, OnError: func(err error) { rec.gaveUp(err) },
	})
	if err != nil {
		place.End()
		return nil, err
	}
	w.house.enter(rec)
	w.log.Info("recording", "session", s.ID, "target", s.Target, "user", s.Identity.Name, "recording", name)
	w.gate.Emit(gateway.Event{Kind: gateway.RecordingStarted, Session: &rec.session, Details: map[string]string{"recording": name, "rule": rule.name}})
	return rec, nil
}

// nameOf is what the files of a session's recording are called.
func (c *recordingsConfig) nameOf(s *gateway.SessionInfo, now time.Time) string {
	pattern := c.Name
	if pattern == "" {
		pattern = defaultName
	}
	user := s.Identity.Name
	if user == "" {
		user = "anonymous"
	}
	from := s.From
	if host := hostOf(s.From); host.IsValid() {
		from = host.String()
	}
	short := func(text string) string {
		text = cleanName(text)
		return text[:min(len(text), 24)]
	}
	return strings.NewReplacer(
		"{time}", now.UTC().Format("20060102T150405Z"), "{session}", short(s.ID), "{target}", short(s.Target),
		"{user}", short(user), "{listener}", short(s.Listener), "{from}", short(from),
	).Replace(pattern)
}

func (h *recorderHouse) enter(r *recorded) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[r.session.ID] = r
}

func (h *recorderHouse) leave(r *recorded) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[r.session.ID] == r {
		delete(h.open, r.session.ID)
	}
}

// of is the recording of a session under way, or nil.
func (h *recorderHouse) of(session string) *recorded {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[session]
}

// all are those under way, and the folders.
func (h *recorderHouse) all() (open []*recorded, folders []*shelf) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.open {
		open = append(open, r)
	}
	for _, f := range h.folders {
		folders = append(folders, f)
	}
	return open, folders
}

// recordingSigner reads the key that recordings are signed with: PKCS #8 in PEM.
// make says whether one is made where there is none.
func recordingSigner(path string, make bool) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && make {
		return newRecordingSigner(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s has no key in PEM", path)
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := any.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s has a key of another kind; recordings are signed with Ed25519 ('openssl genpkey -algorithm ed25519' makes one)", path)
	}
	return key, nil
}

// newRecordingSigner makes a key. Of two processes that do so at once, both use
// that of the first.
func newRecordingSigner(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return recordingSigner(path, false)
}

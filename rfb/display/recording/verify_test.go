package recording_test

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"vncgate/rfb"
	"vncgate/rfb/display/recording"
)

// verify is what Verify says.
func verify(t testing.TB, path string, o recording.VerifyOptions) recording.Report {
	t.Helper()
	report, err := recording.Verify(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestVerify(t *testing.T) {
	for name, kind := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			path := record(t, kind.o, session(12))
			var done, all int64
			report := verify(t, path, recording.VerifyOptions{Identities: kind.keys, Progress: func(d, a int64) { done, all = d, a }})
			if !report.Intact() || report.Signed != (kind.o.Signer != nil) || report.Trusted || report.Reason != "viewer left" || report.Seals == 0 || report.Good != report.Duration {
				t.Errorf("%+v", report)
			}
			if done == 0 || done > all {
				t.Errorf("%d of %d bytes", done, all)
			}
			if kind.o.Signer == nil {
				return
			}
			key := kind.o.Signer.Public().(ed25519.PublicKey)
			if report := verify(t, path, recording.VerifyOptions{Identities: kind.keys, Keys: []ed25519.PublicKey{key}}); !report.Trusted || !report.Intact() {
				t.Errorf("with its key: %+v", report)
			}
			other, _, _ := ed25519.GenerateKey(nil)
			if report := verify(t, path, recording.VerifyOptions{Identities: kind.keys, Keys: []ed25519.PublicKey{other}}); report.Trusted || report.Intact() {
				t.Errorf("with another key: %+v", report)
			}
		})
	}
}

// tampered is a copy of a recording's files, of which one is changed.
func tampered(t testing.TB, path string, change func(file string, b []byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), change(filepath.Base(f), b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(path))
}

// TestVerifyFindsAnyByte changes each byte of a small recording: it is found, in
// the file and at the place where it is.
func TestVerifyFindsAnyByte(t *testing.T) {
	for name, kind := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			init, steps := tiny()
			kind.o.Init = init
			files := inMemory(t, record(t, kind.o, steps))
			for file, whole := range files {
				for i := 0; i < len(whole); i += stride(name) {
					b := bytes.Clone(whole)
					b[i] ^= 1 << (i % 8)
					files[file] = b
					if report, err := recording.Verify("one", recording.VerifyOptions{Identities: kind.keys, Files: files}); err == nil && report.Intact() {
						t.Fatalf("%s, byte %d: nothing is found", file, i)
					}
				}
				files[file] = whole
			}
			if report, err := recording.Verify("one", recording.VerifyOptions{Identities: kind.keys, Files: files}); err != nil || !report.Intact() {
				t.Errorf("what was not changed is found: %+v, %v", report, err)
			}
		})
	}
}

// TestVerifyNamesThePlace changes a recording of several seals in its middle: all
// before it is said to be good, and nothing behind it.
func TestVerifyNamesThePlace(t *testing.T) {
	var steps []step
	for i := range byte(16) {
		u := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 320, 200, rfb.EncodingRaw)
		steps = append(steps, step{false, append(u, bytes.Repeat([]byte{i}, 320*200*4)...)})
	}
	path := record(t, recording.Options{}, steps)
	whole := verify(t, path, recording.VerifyOptions{})
	if whole.Seals < 3 {
		t.Fatalf("%d seals", whole.Seals)
	}
	for _, tt := range []struct {
		name, file, what string
		change           func(b []byte) []byte
	}{
		{"a byte of the display", "display", "changed", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"the display cut", "display", "is cut", func(b []byte) []byte { return b[:len(b)/2] }},
		{"more of the display", "display", "behind its end", func(b []byte) []byte { return append(b, 0, 0, 0, 0, 0, 0, 0, 0) }},
		{"a byte of the index", "index", "has been changed", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"more of the index", "index", "behind its end", func(b []byte) []byte { return append(b, 1) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := tampered(t, path, func(file string, b []byte) []byte {
				if (tt.file == "index") == strings.Contains(file, ".index") {
					return tt.change(b)
				}
				return b
			})
			report := verify(t, bad, recording.VerifyOptions{})
			if len(report.Problems) == 0 || report.Problems[0].File != tt.file || !strings.Contains(report.Problems[0].What, tt.what) || report.Intact() {
				t.Fatalf("%+v", report)
			}
			if strings.Contains(tt.name, "more") {
				if report.Good != whole.Good {
					t.Errorf("good up to %v of %v", report.Good, whole.Good)
				}
			} else if report.Good >= whole.Good && whole.Good > time.Millisecond {
				t.Errorf("good up to %v of %v", report.Good, whole.Good)
			}
			if report.Good != report.Problems[0].At {
				t.Errorf("good up to %v, and something was found behind %v", report.Good, report.Problems[0].At)
			}
		})
	}
}

func verifyIntact(t testing.TB, path string, keys []age.Identity) bool {
	t.Helper()
	report := verify(t, path, recording.VerifyOptions{Identities: keys})
	return report.Intact()
}

package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/recording"
)

// ranRecording is what a command about recordings printed, and how it ended.
func ranRecording(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := newRootCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetArgs(append([]string{"recording"}, args...))
	err := cmd.Execute()
	if told, ok := errors.AsType[*exitStatus](err); ok {
		return out.String(), told.code
	}
	if err != nil {
		return err.Error(), exitFailed
	}
	return out.String(), 0
}

// smallRecording is a small recording in a folder of its own.
func smallRecording(t *testing.T, o recording.Options) string {
	t.Helper()
	dir := t.TempDir()
	o.Name, o.Init = "one", rfb.ServerInit{Width: 2, Height: 1, Format: rfb.Format32(), Name: "desk"}
	o.Meta = recording.Meta{Target: "desk", User: "alice", From: "192.0.2.1"}
	r, err := recording.New(recording.Directory(dir), o)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Viewer(rfb.AppendKeyEvent(nil, true, 'a'))
	_ = r.Display(append(rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 2, 1, rfb.EncodingRaw), 0, 0, 255, 0, 255, 0, 0, 0))
	r.Close("viewer left")
	<-r.Done()
	name, _ := r.Files()
	return filepath.Join(dir, name)
}

func TestRecordingCommands(t *testing.T) {
	dir := t.TempDir()
	signing, identity := filepath.Join(dir, "sign.key"), filepath.Join(dir, "me.key")
	public, code := ranRecording(t, "key", "--sign", signing)
	if again, _ := ranRecording(t, "key", "--sign", signing); code != 0 || again != public || len(public) != 45 {
		t.Fatalf("%q, then %q", public, again)
	}
	recipient, _ := ranRecording(t, "key", "--encrypt", identity)
	if again, _ := ranRecording(t, "key", "--encrypt", identity); again != recipient || !strings.HasPrefix(recipient, "age1") {
		t.Fatalf("%q, then %q", recipient, again)
	}
	for _, f := range []string{signing, identity} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	pem, _ := os.ReadFile(signing)
	key, err := recording.ParseSigner(pem)
	if err != nil {
		t.Fatal(err)
	}
	to, err := age.ParseX25519Recipient(strings.TrimSpace(recipient))
	if err != nil {
		t.Fatal(err)
	}
	path := smallRecording(t, recording.Options{Signer: key, Recipients: []age.Recipient{to}})

	for _, tt := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"verify", path, "--identity", identity, "--key", strings.TrimSpace(public)}, 0, []string{"as it was written, all", "a key that you trust"}},
		{[]string{"verify", path, "-i", identity}, 0, []string{"have not said to trust", strings.TrimSpace(public)}},
		{[]string{"verify", path}, 1, []string{"--identity FILE"}},
		{[]string{"verify", path, "-i", signing}, 1, []string{"not a file of age identities"}},
		{[]string{"verify"}, 1, []string{"needs a FILE"}},
		{[]string{"list", "a", "b"}, 1, []string{"takes one DIRECTORY, not 2"}},
		{[]string{"verify", path, "-k", "nothing"}, 1, []string{"neither a key nor a file"}},
		{[]string{"verify", filepath.Join(dir, "none.fbs")}, 1, []string{"none.fbs"}},
		{[]string{"info", path, "-i", identity, "--events"}, 0, []string{"alice", "192.0.2.1", "viewer left", "2×1", strings.TrimSpace(public), "key   a"}},
		{[]string{"info", path}, 1, []string{"--identity FILE"}},
		{[]string{"list", filepath.Dir(path), "-i", identity}, 0, []string{"one.fbs.zst.age", "alice", "desk", "viewer left"}},
		{[]string{"list", filepath.Dir(path)}, 0, []string{"one.fbs.zst.age", "encrypted"}},
		{[]string{"list", dir}, 0, []string{"no recordings"}},
		{[]string{"key"}, 1, []string{"--sign FILE or --encrypt FILE"}},
	} {
		out, code := ranRecording(t, tt.args...)
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %q in\n%s", tt.args, want, out)
			}
		}
		if code != tt.code {
			t.Errorf("%v ends with %d, want %d: %s", tt.args, code, tt.code, out)
		}
	}
	plain := filepath.Join(dir, "plain.fbs")
	if out, code := ranRecording(t, "decrypt", path, "-i", identity, "-o", plain); code != 0 {
		t.Fatal(out)
	}
	file, err := os.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, init, err := display.NewFBSReader(file); err != nil || init.Name != "desk" {
		t.Errorf("%+v, %v", init, err)
	}
}

// TestRecordingVerifyCodes verifies what was changed, and what was not ended.
func TestRecordingVerifyCodes(t *testing.T) {
	path := smallRecording(t, recording.Options{})
	index := filepath.Join(filepath.Dir(path), "one.index")
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		b    []byte
		code int
		want string
	}{
		{"whole", whole, 0, "not signed"},
		{"cut", whole[:len(whole)-9], exitUnended, "its end is missing"},
		{"changed", append(append([]byte{}, whole[:len(whole)-9]...), make([]byte, 9)...), exitFailed, "NOT as it was written"},
	} {
		if err := os.WriteFile(index, tt.b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := ranRecording(t, "verify", path); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: %d, %s", tt.name, code, out)
		}
		out, code := ranRecording(t, "verify", path, "--json")
		var all []map[string]any
		if err := json.Unmarshal([]byte(out), &all); err != nil || code != tt.code || all[0]["intact"] != (tt.code == 0) {
			t.Errorf("%s: %d, %v, %s", tt.name, code, err, out)
		}
	}
}

func TestPublicKeyFiles(t *testing.T) {
	key, _, _ := ed25519.GenerateKey(nil)
	path := filepath.Join(t.TempDir(), "pub")
	if err := os.WriteFile(path, []byte(recording.PublicKey(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{path, recording.PublicKey(key)} {
		if got, err := publicKey(s); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"vncgate/auth"
)

func TestReadPassword(t *testing.T) {
	for in, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", " a b \n": " a b ", "pässwörd😀\n": "pässwörd😀",
		strings.Repeat("x", auth.MaxPasswordLen) + "\r\n": strings.Repeat("x", auth.MaxPasswordLen),
	} {
		if got, err := readPassword(iotest.OneByteReader(strings.NewReader(in))); err != nil || got != want {
			t.Errorf("%.20q: %.20q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "\n", "\r\n", "hunter2\n\n", "hunter2\nhunter3", "hunter2\rx", strings.Repeat("x", auth.MaxPasswordLen+1), strings.Repeat("x", 1<<20)} {
		got, err := readPassword(strings.NewReader(in))
		var usage *usageError
		if !errors.As(err, &usage) || got != "" {
			t.Errorf("%.20q: %.20q, %v; want a usage error", in, got, err)
		} else if strings.Contains(err.Error(), "hunter") || len(err.Error()) > 100 {
			t.Errorf("the error quotes the password: %v", err)
		}
	}
	if _, err := readPassword(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

func TestAskTwice(t *testing.T) {
	errHungUp := errors.New("hung up")
	for _, c := range []struct {
		answers []string
		want    string
		err     string
	}{
		{[]string{"a", "a"}, "a", ""},
		{[]string{"a", "b", "c", "c"}, "c", ""},
		{[]string{"", "c", "c"}, "c", ""},
		{[]string{"a", "b", "", "c", "d"}, "", "three tries"},
		{[]string{"a"}, "", "hung up"},
		{nil, "", "hung up"},
	} {
		var out bytes.Buffer
		ask := func(string) (string, error) {
			if len(c.answers) == 0 {
				return "", errHungUp
			}
			answer := c.answers[0]
			c.answers = c.answers[1:]
			return answer, nil
		}
		got, err := askTwice(ask, &out, "alice")
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q, %v; want %q, %s", got, err, c.want, c.err)
		}
	}
}

func TestAskPasswordNeedsTerminal(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, in := range []io.Reader{file, strings.NewReader("hunter2\n")} {
		if _, err := askPassword(context.Background(), in, io.Discard, "alice"); err == nil || !strings.Contains(err.Error(), "--password-stdin") {
			t.Errorf("error %v", err)
		}
	}
}

func runUser(t *testing.T, stdin string, args ...string) error {
	t.Helper()
	cmd := newRootCommand()
	cmd.SetArgs(append([]string{"user"}, args...))
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	return cmd.Execute()
}

func TestUserErrorsSayWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if err := runUser(t, "", "add", "carol", "--no-password", "--users-file", path); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"ad", "alice"}, `user has no command "ad" (there are: add, groups, list, passwd, remove)`},
		{"", []string{"add"}, "which user? give a NAME"},
		{"", []string{"add", "alice", "secret"}, "a password is never an argument"},
		{"", []string{"add", "a b"}, "letters, digits and"},
		{"", []string{"add", "alice"}, "--password-stdin"},
		{"", []string{"add", "alice", "--password-stdin"}, "standard input is empty"},
		{"a\nb\n", []string{"add", "alice", "--password-stdin"}, "more than one line"},
		{"a\n", []string{"add", "alice", "--group", "a,b", "--password-stdin"}, `group: name "a,b"`},
		{"", []string{"add", "alice", "--no-password", "--password-stdin"}, "none of the others can be"},
		{"", []string{"add", "carol"}, "'vncgate user passwd carol'"},
		{"", []string{"passwd", "alice"}, "'vncgate user list' shows"},
		{"", []string{"remove", "alice"}, "'vncgate user list' shows"},
		{"", []string{"list", "x"}, `takes no argument "x"`},
		{"", []string{"list", "--users-file", path + "x"}, "'vncgate user add NAME' makes the file"},
		{"", []string{"add", "alice", "--no-password", "--users-file", path + "x/users"}, "mkdir -p " + path + "x"},
	} {
		err := runUser(t, c.stdin, append([]string{"--users-file", path}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.args, err, c.want)
		}
	}
}

// What the command writes, the server reads.
func TestUserCommandAndUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	cmd := newUserCommand()
	cmd.SetArgs([]string{"add", "alice", "--group", "ops", "--password-stdin", "--users-file", path})
	cmd.SetIn(strings.NewReader("wonderland\n"))
	var out bytes.Buffer
	cmd.SetOut(&out)
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "wonderland") {
		t.Errorf("it prints the password: %s", out.String())
	}
	users, err := auth.OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := users.Verify(t.Context(), "alice", "wonderland"); err != nil || !id.In("ops") {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestUserPermissionHint(t *testing.T) {
	f := &userFlags{file: "/etc/vncgate/users"}
	err := f.explain(&os.PathError{Op: "open", Path: f.file, Err: os.ErrPermission}, "alice")
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "sudo vncgate user") {
		t.Errorf("error %v", err)
	}
}

func TestProofOf(t *testing.T) {
	for want, u := range map[string]auth.User{
		"password": {Plain: true, SCRAM: true, SCRAM512: true}, "password, without SCRAM-SHA-512 until it is set anew": {Plain: true, SCRAM: true}, "password by SCRAM only": {SCRAM: true}, "password by PLAIN only": {Plain: true}, "no password": {},
	} {
		if got := proofOf(u); got != want {
			t.Errorf("%+v: %s, want %s", u, got, want)
		}
	}
}

// The help promises what serve does: edits count for sessions that are up, too.
func TestUserHelpSaysWhenEditsCount(t *testing.T) {
	if help := newUserCommand().Long; !strings.Contains(help, "within a second, and ends the sessions of a user who\nis removed") {
		t.Error(help)
	}
}

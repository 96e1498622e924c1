package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// secretTimeout bounds a command that prints a secret.
const secretTimeout = 10 * time.Second

// secret is where a password comes from. It is read when it is needed, each
// time anew, and never shown.
type secret struct {
	File       string   `yaml:"file,omitempty"`
	Env        string   `yaml:"env,omitempty"`
	Credential string   `yaml:"credential,omitempty"` // of systemd: LoadCredential=NAME
	Command    []string `yaml:"command,omitempty"`    // prints it on standard output
	text       string   // written in the configuration itself
	piped      *string  // what a File that is a pipe gave, which it does once
}

// UnmarshalYAML takes the password itself or one of the places it is kept in.
func (s *secret) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&s.text) == nil {
		return nil
	}
	type plain secret
	if err := unmarshal((*plain)(s)); err != nil {
		return err
	}
	ways := 0
	for _, set := range []bool{s.File != "", s.Env != "", s.Credential != "", len(s.Command) > 0} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("a secret is a text or exactly one of {file: PATH}, {env: NAME}, {credential: NAME}, {command: [PROGRAM, …]}")
	}
	return nil
}

// MarshalYAML shows where the secret is kept, not what it is.
func (s secret) MarshalYAML() (any, error) {
	type plain secret
	if s.text != "" {
		return "(secret)", nil
	}
	return plain(s), nil
}

// read returns the secret; the line break that ends a file is not part of it.
// An empty one is an error: it would let nobody in, and a display that is shown
// it blames the password. No error holds any of it.
func (s *secret) read(ctx context.Context) (string, error) {
	text, err := s.look(ctx)
	if err == nil && text == "" {
		return "", errors.New(s.place() + " is empty")
	}
	return text, err
}

// place names where the secret is kept.
func (s *secret) place() string {
	switch {
	case s.File != "":
		return s.File
	case s.Env != "":
		return "the environment's " + s.Env
	case s.Credential != "":
		return "credential " + s.Credential
	case len(s.Command) > 0:
		return "what " + s.Command[0] + " prints"
	}
	return "the text"
}

func (s *secret) look(ctx context.Context) (string, error) {
	switch {
	case s.piped != nil:
		return *s.piped, nil
	case s.File != "":
		return s.readFile()
	case s.Env != "":
		v, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", fmt.Errorf("the environment has no variable %s", s.Env)
		}
		return v, nil
	case s.Credential != "":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", fmt.Errorf("credential %s: not started by systemd with LoadCredential=", s.Credential)
		}
		return readSecret(filepath.Join(dir, filepath.Base(s.Credential)))
	case len(s.Command) > 0:
		return s.run(ctx)
	}
	return s.text, nil
}

// readFile reads a pipe once and keeps what it gave. That is at the start, when
// all secrets are tried.
func (s *secret) readFile() (string, error) {
	info, err := os.Stat(s.File)
	if err != nil {
		return "", err
	}
	text, err := readSecret(s.File)
	if err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		s.piped = &text
	}
	return text, err
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func (s *secret) run(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, s.Command[0], s.Command[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("command %s: %w", s.Command[0], err)
	}
	return strings.TrimRight(string(out), "\r\n"), nil
}

// optional is read for a secret that need not be there: "" then.
func (s *secret) optional(ctx context.Context) (string, error) {
	if s == nil {
		return "", nil
	}
	return s.read(ctx)
}

// readable finds out at the start what would otherwise fail the first viewer.
func (s *secret) readable(ctx context.Context) error {
	_, err := s.optional(ctx)
	return err
}

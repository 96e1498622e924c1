package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"vncgate/auth"
)

// readPassword reads a password that a pipe or a file brings: one line, its
// end left out. Nothing of it is in any error.
func readPassword(in io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(in, auth.MaxPasswordLen+3))
	if err != nil {
		return "", fmt.Errorf("password: standard input: %w", err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case line == "":
		return "", usagef("password: standard input is empty")
	case len(line) > auth.MaxPasswordLen:
		return "", usagef("password: longer than %d bytes", auth.MaxPasswordLen)
	case strings.ContainsAny(line, "\r\n"):
		return "", usagef("password: more than one line on standard input")
	}
	return line, nil
}

// askPassword asks at the terminal, without echo, until the same password has
// been given twice in a row.
func askPassword(ctx context.Context, in io.Reader, out io.Writer, name string) (string, error) {
	file, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return "", usagef("password: standard input is not a terminal to ask at: pipe the password in and add --password-stdin")
	}
	ask := func(prompt string) (string, error) { return readHidden(ctx, file, out, prompt) }
	return askTwice(ask, out, name)
}

// askTwice gives up after three tries.
func askTwice(ask func(prompt string) (string, error), out io.Writer, name string) (string, error) {
	for range 3 {
		first, err := ask(fmt.Sprintf("Password for %s: ", name))
		if err != nil {
			return "", err
		}
		if first == "" {
			fmt.Fprintln(out, "The password is empty. Try again.")
			continue
		}
		second, err := ask("The same again: ")
		if err != nil {
			return "", err
		}
		if first == second {
			return first, nil
		}
		fmt.Fprintln(out, "The two differ. Try again.")
	}
	return "", errors.New("password: given up after three tries")
}

// readHidden reads a line without echo. When ctx ends (Ctrl-C) the terminal
// gets its echo back; the read then goes on until the program, which has
// nothing more to do, exits.
func readHidden(ctx context.Context, file *os.File, out io.Writer, prompt string) (string, error) {
	state, err := term.GetState(int(file.Fd()))
	if err != nil {
		return "", fmt.Errorf("password: terminal: %w", err)
	}
	fmt.Fprint(out, prompt)
	defer fmt.Fprintln(out)
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(int(file.Fd()))
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return "", fmt.Errorf("password: terminal: %w", a.err)
		}
		return string(a.line), nil
	case <-ctx.Done():
		return "", errors.Join(errors.New("password: interrupted, nothing was changed"), term.Restore(int(file.Fd()), state))
	}
}

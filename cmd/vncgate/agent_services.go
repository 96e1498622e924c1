package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"vncgate/certs"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
)

// agentServices are the values of --service.
type agentServices struct{ list []agentServiceFlag }

// agentServiceFlag is one service.
type agentServiceFlag struct {
	name    string
	address string   // as given
	command []string // instead of an address to dial
}

// commandService begins an address that is a command.
const commandService = "command:"

// Set adds what text says: one service, or several with commas or in lines, as
// they come from a variable. A command goes to the end of its line.
func (s *agentServices) Set(text string) error {
	for _, line := range strings.Split(text, "\n") {
		parts := []string{line}
		if name, rest, _ := strings.Cut(line, "="); !strings.HasPrefix(rest, commandService) || strings.Contains(name, ",") {
			parts = strings.Split(line, ",")
		}
		for i := 0; i < len(parts); i++ {
			if _, rest, _ := strings.Cut(parts[i], "="); strings.HasPrefix(rest, commandService) {
				parts[i] = strings.Join(parts[i:], ",")
				parts = parts[:i+1]
			}
			if strings.TrimSpace(parts[i]) == "" {
				continue
			}
			if err := s.add(strings.TrimSpace(parts[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *agentServices) add(text string) error {
	name, address, ok := strings.Cut(text, "=")
	if !ok || address == "" {
		return fmt.Errorf("%q: write NAME=ADDRESS, such as desk=localhost:5901", text)
	}
	if err := certs.CheckWord(name); err != nil {
		return err
	}
	for _, other := range s.list {
		if other.name == name {
			return fmt.Errorf("the service %s is given twice", name)
		}
	}
	one := agentServiceFlag{name: name, address: address}
	if command, ok := strings.CutPrefix(address, commandService); ok {
		words, err := commandWords(command)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		one.command = words
	} else if network, _, err := layers.ParseAddress(address); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	} else if network != "tcp" && network != "unix" {
		return fmt.Errorf("%s: %s is no address that can be dialled; write HOST:PORT, unix:PATH or command:WORDS", name, address)
	}
	s.list = append(s.list, one)
	return nil
}

// commands reports whether a service is a command.
func (s *agentServices) commands() bool {
	return slices.ContainsFunc(s.list, func(one agentServiceFlag) bool { return one.command != nil })
}

// String is for pflag.
func (s *agentServices) String() string {
	var names []string
	for _, one := range s.list {
		names = append(names, one.name+"="+one.address)
	}
	return strings.Join(names, "\n")
}

// Type is for pflag.
func (s *agentServices) Type() string { return "NAME=ADDRESS" }

// commandWords splits a command at blanks, outside of quotes. There is no shell,
// and so nothing else has a meaning.
func commandWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, in = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	switch {
	case quote != 0:
		return nil, errors.New("a quote in the command is not closed")
	case len(words) == 0:
		return nil, errors.New("the command is empty")
	}
	return words, nil
}

// service is what the agent serves.
func (s agentServiceFlag) service(log *slog.Logger) tunnel.Service {
	dial := func(ctx context.Context) (net.Conn, error) { return layers.Dial(ctx, s.address) }
	if s.command != nil {
		log := log.With("service", s.name)
		dial = func(ctx context.Context) (net.Conn, error) {
			return layers.DialCommand(ctx, s.command, func(line string) { log.Info("display command", "stderr", line) })
		}
	}
	return tunnel.Service{Name: s.name, Dial: dial}
}

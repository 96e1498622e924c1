package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"vncgate/gateway/tunnel"
	"vncgate/layers"
	"vncgate/rfb"
)

// checkPatience is for the gateway, and for each service.
const checkPatience = 20 * time.Second

// tryAll is --check.
func (f *agentFlags) tryAll(ctx context.Context, a *tunnel.Agent, way *gatewayWay, out io.Writer) error {
	wrong := 0
	say := func(what string, good string, err error) {
		if err != nil {
			wrong++
			good = "WRONG: " + strings.ReplaceAll(err.Error(), "\n", "\n    ")
		}
		fmt.Fprintf(out, "%s: %s\n", what, good)
	}
	good, err := tryGateway(ctx, a)
	say("gateway "+way.String(), good, err)
	for i, s := range a.Services {
		good, err := tryService(ctx, s)
		say(fmt.Sprintf("service %s (%s)", s.Name, f.services.list[i].place()), good, err)
	}
	if wrong > 0 {
		return &exitStatus{exitFailed}
	}
	return nil
}

// place names where a service is, without the arguments of a command: those may
// hold secrets.
func (s agentServiceFlag) place() string {
	if s.command != nil {
		return commandService + s.command[0]
	}
	return s.address
}

func tryGateway(ctx context.Context, a *tunnel.Agent) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	s, err := a.Check(ctx)
	if err != nil {
		return "", fmt.Errorf("%w%s", err, refusedHint(err))
	}
	return fmt.Sprintf("it takes this agent in as %s, with %d connections at most (%s)", s.Name, s.Wanted, s.Gateway), nil
}

// tryService connects and listens for what a display says first.
func tryService(ctx context.Context, s tunnel.Service) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkPatience, errors.New("it is reached, but says nothing: is it a VNC server?"))
	defer cancel()
	c, err := s.Dial(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	head, err := firstWords(ctx, c)
	if err != nil {
		return "", err
	}
	if _, _, err := rfb.ParseVersion(head); err != nil {
		return "", fmt.Errorf("it is reached, but does not speak RFB: it says %.20q", head)
	}
	return "reached, it says " + strings.TrimSpace(string(head)), nil
}

func firstWords(ctx context.Context, c net.Conn) ([]byte, error) {
	head := make([]byte, greetingLen)
	err := layers.Interrupt(ctx, c, func() error {
		_, err := io.ReadFull(c, head)
		return err
	})
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errors.New("it is reached, but ends the connection at once")
	}
	return head, err
}

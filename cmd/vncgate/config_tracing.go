package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"vncgate/gateway/traces"
)

// tracingConfig is whom we tell how long the setting up of sessions took.
type tracingConfig struct {
	Endpoint serviceURL         `yaml:"endpoint"` // of a collector: OTLP over HTTP
	Headers  map[string]*secret `yaml:"headers,omitempty"`
	TLS      *peerTLSConfig     `yaml:"tls,omitempty"`
}

func (t *tracingConfig) validate() error {
	if t == nil {
		return nil
	}
	at, err := traces.ParseEndpoint(string(t.Endpoint))
	switch {
	case err != nil:
		return err
	case t.TLS != nil && at.Scheme != "https":
		return errors.New("tls: the endpoint is no https one; make it one, or leave tls out")
	case len(t.Headers) > 0 && at.Scheme != "https" && !ownHost(at.Hostname()):
		return errors.New("headers would cross the network in the clear; use https, or a collector on this machine")
	}
	for _, name := range keys(t.Headers) {
		if t.Headers[name] == nil {
			return fmt.Errorf("headers: %s: its value is missing", name)
		}
	}
	return nil
}

// ownHost reports whether that is this machine by what it is called alone.
func ownHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// secretsReadable names the first header that cannot be had.
func (t *tracingConfig) secretsReadable(ctx context.Context) error {
	if t == nil {
		return nil
	}
	_, err := t.header(ctx)
	return err
}

// header is read anew for each request, so that a token can be replaced.
func (t *tracingConfig) header(ctx context.Context) (http.Header, error) {
	header := http.Header{}
	for name, s := range t.Headers {
		value, err := s.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("headers: %s: %w", name, err)
		}
		header.Set(name, value)
	}
	return header, nil
}

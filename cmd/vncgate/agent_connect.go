package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"vncgate/layers"
)

// gatewayWay is how an agent reaches its gateway: a socket, perhaps to a proxy
// that is asked to connect on; perhaps TLS and a WebSocket, for proxies in front
// of the gateway; and then the TLS that agent and gateway know each other by.
type gatewayWay struct {
	url     *url.URL
	address string // in the form of layers.Dial
	proxy   func(*http.Request) (*url.URL, error)
}

// Ports where the URL says none.
var gatewayPorts = map[string]string{"tls": "7000", "wss": "443", "ws": "80"}

// defaultAgentPath is where a gateway takes agents among its pages.
const defaultAgentPath = "/agent"

// parseGateway reads --gateway and --proxy.
func parseGateway(text, proxy string) (*gatewayWay, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if _, _, err := layers.ParseAddress("unix:" + path); err != nil {
			return nil, err
		}
		return &gatewayWay{url: &url.URL{Scheme: "unix", Path: path}, address: "unix:" + path}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL; write tls://HOST:PORT, wss://HOST/PATH or unix:PATH")
	}
	port, known := gatewayPorts[u.Scheme]
	switch {
	case u.Scheme == "https" || u.Scheme == "http":
		return nil, fmt.Errorf("%s:// is for browsers; agents use %s://%s", u.Scheme, strings.Replace(u.Scheme, "http", "ws", 1), u.Host+u.Path)
	case !known || u.Host == "":
		return nil, fmt.Errorf("%q: write tls://HOST:PORT, wss://HOST/PATH, ws://HOST/PATH or unix:PATH", u.Redacted())
	case u.User != nil:
		return nil, errors.New("a user or password has no place in it: a certificate or token says who the agent is")
	case u.Scheme == "tls" && strings.Trim(u.Path, "/") != "":
		return nil, errors.New("tls:// has no path; for one, use wss://")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if u.Scheme != "tls" && strings.Trim(u.Path, "/") == "" {
		u.Path = defaultAgentPath
	}
	w := &gatewayWay{url: u, address: net.JoinHostPort(u.Hostname(), port)}
	w.proxy, err = proxyFrom(proxy)
	return w, err
}

// proxyFrom is the rule that --proxy says.
func proxyFrom(text string) (func(*http.Request) (*url.URL, error), error) {
	switch text {
	case "":
		return http.ProxyFromEnvironment, nil
	case "none":
		return func(*http.Request) (*url.URL, error) { return nil, nil }, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || proxyPorts[u.Scheme] == "" {
		return nil, usagef("--proxy is to be http://HOST:PORT, https://HOST:PORT or none")
	}
	return http.ProxyURL(u), nil
}

var proxyPorts = map[string]string{"http": "80", "https": "443"}

// local reports whether the gateway is on this machine, behind a unix socket.
func (w *gatewayWay) local() bool { return w.url.Scheme == "unix" }

// String names the gateway for people.
func (w *gatewayWay) String() string {
	if w.local() {
		return w.address
	}
	return w.url.Redacted()
}

// connect reaches the gateway, up to and with the TLS of cfg; nil is for a unix
// socket.
func (w *gatewayWay) connect(ctx context.Context, cfg *tls.Config) (net.Conn, error) {
	socket, err := w.reach(ctx)
	if err != nil {
		return nil, fmt.Errorf("gateway %s: %w%s", w, err, connectHint(err))
	}
	c, err := layers.Stack(ctx, socket, w.layers(cfg)...)
	if err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("gateway %s: %w%s", w, err, connectHint(err))
	}
	return c, nil
}

// layers are those from the gateway's socket up.
func (w *gatewayWay) layers(cfg *tls.Config) []layers.Layer {
	var ls []layers.Layer
	if w.url.Scheme == "wss" {
		// What is checked is the TLS inside: whoever ends this one sees only that.
		ls = append(ls, layers.TLSClient(&tls.Config{ServerName: w.url.Hostname(), InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}))
	}
	if w.url.Scheme == "wss" || w.url.Scheme == "ws" {
		ls = append(ls, layers.WebSocketClient(w.url.String(), nil))
	}
	if cfg != nil {
		ls = append(ls, layers.TLSClient(cfg))
	}
	return ls
}

// reach connects to the gateway's socket, through a proxy if there is to be one.
func (w *gatewayWay) reach(ctx context.Context) (net.Conn, error) {
	via, err := w.via()
	if err != nil || via == nil {
		if err == nil {
			return layers.Dial(ctx, w.address)
		}
		return nil, err
	}
	port := via.Port()
	if port == "" {
		port = proxyPorts[via.Scheme]
	}
	socket, err := layers.Dial(ctx, net.JoinHostPort(via.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", via.Redacted(), err)
	}
	c, err := layers.Stack(ctx, socket, proxyLayers(via, w.address)...)
	if err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("proxy %s: %w", via.Redacted(), err)
	}
	return c, nil
}

// via is the proxy to go through, or nil.
func (w *gatewayWay) via() (*url.URL, error) {
	if w.local() {
		return nil, nil
	}
	scheme := "https"
	if w.url.Scheme == "ws" {
		scheme = "http"
	}
	via, err := w.proxy(&http.Request{URL: &url.URL{Scheme: scheme, Host: w.address}})
	switch {
	case err != nil:
		return nil, errors.New("the proxy that HTTPS_PROXY or HTTP_PROXY names is no URL")
	case via != nil && proxyPorts[via.Scheme] == "":
		return nil, fmt.Errorf("the proxy %s: only http:// and https:// proxies are supported; --proxy none goes without", via.Redacted())
	}
	return via, nil
}

// proxyLayers ask a proxy to connect on.
func proxyLayers(via *url.URL, address string) []layers.Layer {
	var ls []layers.Layer
	if via.Scheme == "https" {
		ls = append(ls, layers.TLSClient(&tls.Config{ServerName: via.Hostname(), NextProtos: []string{"http/1.1"}}))
	}
	header := http.Header{"Host": {address}}
	if via.User != nil {
		password, _ := via.User.Password()
		header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(via.User.Username()+":"+password)))
	}
	return append(ls, layers.HTTPConnect(address, header))
}

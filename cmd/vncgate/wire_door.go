package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/web"
)

// door is one way in, bound and ready to serve: a listener, or the part of one
// that is for all comers.
type door struct {
	ln       net.Listener
	l        *listenerConfig
	front    gateway.Front
	server   *http.Server      // of browsers
	begun    *begun            // of server, or nil
	arrivals *gateway.Arrivals // of displays
	agents   *agentHouse       // of agents
	split    *layers.Split     // that the connections come through, or nil
	cert     *serverCertificate
}

// openDoor opens one listener of the configuration.
func (w *wiring) openDoor(ctx context.Context, l *listenerConfig) error {
	p, err := w.prepare(l)
	if err != nil {
		return err
	}
	return w.bind(ctx, l, p)
}

// bind opens the address of l for those that p is ready for.
func (w *wiring) bind(ctx context.Context, l *listenerConfig, p *prepared) error {
	ln, err := w.listen(ctx, l)
	if err != nil {
		return err
	}
	if ln, err = w.rationed(ln, l); err != nil {
		return err
	}
	switch {
	case l.Agents != nil:
		w.agentsDoor(ln, l, p)
	case l.Arrivals != nil:
		w.arrivalsDoor(ln, l, p)
	case l.Web != nil:
		w.webDoors(ln, l, p)
	default:
		w.nativeDoor(ln, l, p)
	}
	return nil
}

func (l *listenerConfig) listening(w *wiring) layers.ListenConfig {
	return layers.ListenConfig{
		Mode: fs.FileMode(l.Mode), Owner: l.Owner, Group: l.Group, Network: l.Network,
		Report: func(err error) {
			w.log.Warn("one address of a listener is left out", "listener", l.Address, "error", err)
		},
	}
}

// prepared is all that a listener needs but its socket: what can fail for want
// of a file has been read.
type prepared struct {
	cert   *serverCertificate
	fronts map[kind]gateway.Front
	web    web.Config
	proxy  layers.Layer // nil without PROXY headers
	turns  *layers.Turns
}

func (w *wiring) prepare(l *listenerConfig) (*prepared, error) {
	cert, err := w.serverTLS(l.TLS)
	if err != nil {
		return nil, err
	}
	return w.prepareWith(l, cert)
}

func (w *wiring) prepareWith(l *listenerConfig, cert *serverCertificate) (p *prepared, err error) {
	p = &prepared{cert: cert, fronts: map[kind]gateway.Front{}, turns: w.turns}
	if l.Proxy != nil {
		if p.proxy, err = l.Proxy.layer(); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	for _, k := range l.kinds() {
		if p.fronts[k], err = w.front(l, k, cert); err != nil {
			return nil, err
		}
	}
	if l.Web != nil {
		p.web, err = w.web(l, p.fronts[browsers])
	}
	return p, err
}

// nativeDoor is for native viewers alone.
func (w *wiring) nativeDoor(ln net.Listener, l *listenerConfig, p *prepared) {
	front := p.fronts[natives]
	front.Layers = p.below(l)
	w.doors = append(w.doors, door{ln: ln, l: l, front: front, cert: p.cert})
}

// below are the layers of a connection whose protocol is clear from the first
// byte: a proxy speaks before anybody else.
func (p *prepared) below(l *listenerConfig) []layers.Layer {
	var stack []layers.Layer
	if p.proxy != nil {
		stack = append(stack, p.proxy)
	}
	if l.TLS != nil && l.TLS.Implicit {
		stack = append(stack, p.turns.TLSServer(p.cert.config))
	}
	return stack
}

// webDoors is one port that is looked at before anybody answers: for all comers,
// or for browsers alone. net/http could not read a PROXY header, and has no limit
// of TLS handshakes.
func (w *wiring) webDoors(ln net.Listener, l *listenerConfig, p *prepared) {
	cfg := layers.SplitConfig{NoRaw: !l.mixed(), Silence: l.Silence, Below: p.proxy, Turns: w.turns, Log: w.log}
	if p.cert != nil {
		cfg.TLS = p.cert.config
		cfg.TLSOnly = !l.mixed() || l.TLS.Implicit
	}
	split, server, begun := layers.NewSplit(ln, cfg), w.webServer(l, p.web), &begun{}
	server.ConnState = begun.note
	w.doors = append(w.doors, door{ln: split.HTTP(), l: l, front: p.fronts[browsers], server: server, begun: begun, split: split, cert: p.cert})
	if l.mixed() {
		w.doors = append(w.doors, door{ln: split.Raw(), l: l, front: p.fronts[natives], cert: p.cert})
	}
}

// arrivalsDoor is for displays.
func (w *wiring) arrivalsDoor(ln net.Listener, l *listenerConfig, p *prepared) {
	w.doors = append(w.doors, door{ln: ln, l: l, front: gateway.Front{Name: l.Address, Layers: p.below(l)}, arrivals: w.arrivals, cert: p.cert})
}

// webServer answers browsers. Where TLS is there, they have to use it unless it
// is said otherwise.
func (w *wiring) webServer(l *listenerConfig, cfg web.Config) *http.Server {
	server := web.NewServer(cfg)
	if l.API != nil {
		server.Handler = w.api(l, server.Handler)
	}
	if l.Web.Agents != "" && w.agents != nil {
		server.Handler = w.agents.byWeb(l.Web.Agents, cfg.Trusted, server.Handler)
	}
	if l.mixed() && l.TLS != nil && !l.PlainHTTP {
		server.Handler = onlyTLS(server.Handler, cfg.Trusted)
	}
	return server
}

// onlyTLS sends pages to https, and refuses what cannot be sent there. A trusted
// proxy that ends TLS would bring the browser back for ever.
func onlyTLS(next http.Handler, trusted func(netip.Addr) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case web.Secure(r, trusted):
			next.ServeHTTP(w, r)
		case r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" && r.Host != "":
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		default:
			http.Error(w, "This address speaks TLS only: use https:// or wss:// instead.", http.StatusBadRequest)
		}
	})
}

// web is what browsers meet at a listener.
func (w *wiring) web(l *listenerConfig, front gateway.Front) (web.Config, error) {
	cfg := web.Config{
		Admit: w.gate.Admit, Ready: w.gate.Ready, Waiting: w.gate.Waiting, Front: front,
		Paths: []string{l.Web.Path}, Origins: l.Web.Origins, Hosts: l.Web.Hosts, PathPrefix: l.Web.TargetsPath,
		Defaults: l.Web.Defaults, Mandatory: l.Web.Mandatory, TokensOnly: l.tokenRequired(), Log: w.log,
	}
	w.pages(&cfg, l)
	if w.capabilities != nil {
		cfg.PassSecret = w.capabilities.passes
	}
	if len(l.Web.TrustedProxies) > 0 {
		trusted, err := parsePrefixes(l.Web.TrustedProxies)
		if err != nil {
			return cfg, fmt.Errorf("web: trusted_proxies: %w", err)
		}
		cfg.Trusted = trusted
	}
	if len(l.Sources) > 0 {
		cfg.Tickets = w.bearers(l, front)
		cfg.Refused = func(no *web.Refusal, from string) {
			if no == errBadToken {
				w.denials.tell(w, deniedTicket, front.Name, from)
			}
		}
		cfg.TokenPath = w.cfg.oVirtIn(l.Sources)
	}
	return cfg, nil
}

// layer reads the PROXY headers of those who are trusted to send one.
func (p *proxyConfig) layer() (layers.Layer, error) {
	trusted, err := parsePrefixes(p.Trusted)
	if err != nil {
		return nil, err
	}
	return layers.ProxyConfig{Trusted: trusted, Others: p.Others == "plain"}.Server(), nil
}

func (w *wiring) closeDoors() {
	for _, d := range w.doors {
		_ = d.ln.Close()
	}
}

func (d *door) serve(gate *gateway.Gateway) error {
	var err error
	switch {
	case d.agents != nil:
		err = d.agents.serve(d.ln, d.front.Layers, d.l.local())
	case d.arrivals != nil:
		err = d.arrivals.Serve(d.ln, d.front.Layers...)
	case d.server != nil:
		err = d.server.Serve(d.ln)
	default:
		err = gate.Serve(d.ln, d.front)
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, gateway.ErrClosed) {
		return nil
	}
	return fmt.Errorf("listener %s: %w", d.front.Name, err)
}

// announce says in the log who comes in here, and how.
func (d *door) announce(w *wiring) {
	address := d.ln.Addr().String()
	switch {
	case d.agents != nil:
		w.log.Info("listening", "address", address, "for", "agents", "tls", !d.l.local())
	case d.arrivals != nil:
		w.log.Info("listening", "address", address, "for", "displays", "tls", d.l.TLS != nil)
		return
	case len(d.l.Sources) > 0 && d.server != nil:
		w.log.Info("listening", "address", address, "for", d.kind(), "tokens", strings.Join(d.l.Sources, ","), "target", d.l.Target,
			"security", strings.Join(*d.l.types(d.kind()), ","), "tls", d.l.TLS != nil)
	default:
		w.log.Info("listening", "address", address, "for", d.kind(), "target", d.l.Target,
			"security", strings.Join(*d.l.types(d.kind()), ","), "tls", d.l.TLS != nil)
	}
}

// warnOfOpen warns of the doors that let anyone in.
func (w *wiring) warnOfOpen() {
	for i := range w.doors {
		w.doors[i].warnOfOpen(w)
	}
}

func (d *door) warnOfOpen(w *wiring) {
	address := d.ln.Addr().String()
	if d.forViewers() && d.l.open(d.kind()) && !d.l.demandsCertificate(d.kind()) && !w.now().cfg.hasPolicy() && !loopback(address) {
		w.log.Warn("anyone who reaches this address gets in; set users or a password to prevent that", "address", address)
	}
}

// forViewers reports whether viewers come in here, and not displays or agents.
func (d *door) forViewers() bool { return d.arrivals == nil && d.agents == nil }

// demandsCertificate reports whether nobody of kind k gets in without a client
// certificate, by any security type.
func (l *listenerConfig) demandsCertificate(k kind) bool {
	if l.TLS == nil || l.TLS.ClientCA == "" {
		return false
	}
	inTheClear := func(name string) bool { return !isX509(name) }
	return l.private(k) || !slices.ContainsFunc(*l.types(k), inTheClear)
}

// kind is who comes in here.
func (d *door) kind() kind {
	if d.server != nil {
		return browsers
	}
	return natives
}

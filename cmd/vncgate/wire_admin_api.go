package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/web"
	"vncgate/web/admin"
)

// adminAPI puts the commands, what happens, and the dashboard behind the admin
// listener.
func (w *wiring) adminAPI() {
	w.controls.table.Add(control.New("target-share", control.Admin, "Make a link that opens a display for whoever has it", w.controlShare))
	w.controls.table.Add(watchCommands(w)...)
	w.controls.table.Add(w.clusterCommands()...)
	w.announceHouse()
	w.controls.server.Table = w.withPeers(w.controls.table)
	table := w.withElders(w.controls.table)
	w.runForPeer(table)
	table = w.withPeers(table)
	if w.admin == nil {
		return
	}
	api := &admin.Server{
		Table: table, Allow: w.admin.call, Version: versionText(), Origins: w.admin.cfg.Origins,
		Screenshot: newPictures(w, table).take,
	}
	w.events.to(api.Observe)
	w.foreign.to(api.Observe)
	w.adminHandle("/api/v1/", api.Handler())
	w.adminHandle("/", web.Dashboard())
}

// call is who asks for a command, if that one has at least the role.
func (a *adminServer) call(rw http.ResponseWriter, r *http.Request, least control.Role) (control.Call, bool) {
	who, ok := a.gate.allow(rw, r, least)
	return control.Call{Role: who.Role, Actor: who.Name}, ok
}

// hostMark stands for this machine's name where a listener has every address:
// whoever reads it knows by which name it got here.
const hostMark = "{host}"

// base is the URL of a listener for browsers.
func (d *door) base() string {
	scheme, host := "http", hostMark
	if d.l.TLS != nil {
		scheme = "https"
	}
	at, ok := d.ln.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	if !at.IP.IsUnspecified() {
		host = strings.Trim(fmt.Sprintf("[%s]", at.IP), "[]")
		if at.IP.To4() == nil {
			host = "[" + host + "]"
		}
	}
	return fmt.Sprintf("%s://%s:%d", scheme, host, at.Port)
}

// page is the URL of the page of a display, in which a mark stands for its name;
// "" where nobody comes in by a name.
func (d *door) page() string {
	base := d.base()
	switch {
	case d.server == nil || d.l.Web == nil || base == "" || d.l.tokenRequired():
		return ""
	case d.l.Web.TargetsPath != "": // leads to all, where the listener has one of its own as well
		return base + d.l.Web.TargetsPath + "/" + targetMark
	case d.l.Target != "":
		return base + "/"
	}
	path := strings.TrimPrefix(d.l.Web.Path, "/")
	if path == "" {
		path = "websockify"
	}
	return base + "/vnc.html?autoconnect=1&path=" + url.QueryEscape(path+"?target=") + targetMark
}

// shareArgs are the arguments of target-share.
type shareArgs struct {
	Target string           `json:"target" doc:"name of the display" of:"target"`
	Rights []string         `json:"rights,omitempty" doc:"what whoever has the link may do; without it, watch" of:"right"`
	TTL    control.Duration `json:"ttl,omitempty" doc:"how long it opens the display (1h)"`
	Uses   int              `json:"uses,omitempty" doc:"how many may come by it; without it, any number"`
	Note   string           `json:"note,omitempty" doc:"what it is for, for people"`
}

// sharedLink is the link that was made.
type sharedLink struct {
	ID      string    `json:"id" doc:"for revoke; no secret"`
	Link    string    `json:"link,omitempty" doc:"what to give away; {host} stands for this machine's name"`
	Token   string    `json:"token" doc:"the secret in it"`
	Expires time.Time `json:"expires" doc:"when it opens nothing any more"`
}

const (
	shareTime    = time.Hour
	maxShareTime = 30 * 24 * time.Hour
	maxShareNote = 200
)

// controlShare issues a token and makes a link of it.
func (w *wiring) controlShare(ctx context.Context, call *control.Call, a shareArgs) (sharedLink, error) {
	if w.capabilities == nil {
		return sharedLink{}, &control.Error{Class: control.ClassGeneric, Err: control.ErrUnavailable, Desc: "no tokens are issued here: set capabilities: in the configuration"}
	}
	if !w.knowsDisplay(ctx, a.Target) {
		return sharedLink{}, control.NotFound("no target %q; query-targets lists those there are", a.Target)
	}
	ttl := time.Duration(a.TTL)
	if ttl == 0 {
		ttl = shareTime
	}
	if ttl < time.Second || ttl > maxShareTime || a.Uses < 0 || a.Uses > 1000 || len(a.Note) > maxShareNote {
		return sharedLink{}, control.Wrong("Parameter 'ttl' is from 1s to %s, 'uses' at most 1000, 'note' at most %d bytes", maxShareTime, maxShareNote)
	}
	rights := auth.Viewing
	if len(a.Rights) > 0 {
		var err error
		if rights, err = auth.ParseRights(a.Rights); err != nil {
			return sharedLink{}, control.Wrong("%s", strings.TrimPrefix(err.Error(), "auth: "))
		}
	}
	text, issued, err := w.capabilities.Issue(capability.Token{
		Targets: []string{a.Target}, Rights: rights, Uses: a.Uses, Issuer: call.Actor, Note: a.Note, Expires: time.Now().Add(ttl),
	})
	if err != nil {
		return sharedLink{}, err
	}
	w.gate.Emit(gateway.Event{Kind: gateway.Shared, Target: a.Target, Actor: call.Actor, Details: sharedDetails(issued)})
	shared := sharedLink{ID: issued.ID, Token: text, Expires: issued.Expires}
	if page := w.sharePage(); page != "" {
		shared.Link = page + "#token=" + text
	}
	return shared, nil
}

// sharePage is where links lead to: what the configuration says, else the first
// listener that they open.
func (w *wiring) sharePage() string {
	if s := w.capabilities.share; s != nil && s.Link != "" {
		return s.Link
	}
	for i := range w.doors {
		d := &w.doors[i]
		if base := d.base(); d.server != nil && base != "" && d.l.opensLinks() {
			return base + "/"
		}
	}
	return ""
}

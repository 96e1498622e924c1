package control

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
)

// Session is what query-sessions and events tell of one.
type Session struct {
	ID       string    `json:"id" doc:"its name in the log"`
	Node     string    `json:"node,omitempty" doc:"the gateway that has it, where there are several" of:"node"`
	State    string    `json:"state" doc:"how it is" enum:"waiting,open,paused"`
	User     string    `json:"user,omitempty" doc:"whom the viewer proved to be"`
	Method   string    `json:"method,omitempty" doc:"by what"`
	Groups   []string  `json:"groups,omitempty" doc:"to which the user belongs"`
	From     string    `json:"from" doc:"the viewer's address"`
	Listener string    `json:"listener" doc:"where the viewer came in"`
	Target   string    `json:"target" doc:"the display that the viewer chose"`
	Reached  string    `json:"reached,omitempty" doc:"the fall-back that serves instead"`
	Agent    string    `json:"agent,omitempty" doc:"through whose tunnel the display is reached" of:"agent"`
	Class    string    `json:"class,omitempty" doc:"in which it runs"`
	Since    time.Time `json:"since" doc:"when the viewer came"`
	Expires  time.Time `json:"expires,omitzero" doc:"when its grant ends"`
	Rights   []string  `json:"rights" doc:"what the viewer may do now"`
	Withheld []string  `json:"withheld,omitempty" doc:"what was granted and taken by session-set-rights"`
	Limits   string    `json:"limits,omitempty" doc:"within what bounds"`
	Rule     string    `json:"rule,omitempty" doc:"that decided"`
	Ticket   string    `json:"ticket,omitempty" doc:"ID of the token that the viewer came by"`
	Recorded bool      `json:"recorded,omitempty" doc:"it is recorded, or can be watched"`
	Followed bool      `json:"followed,omitempty" doc:"session-watch makes links to it; query-sessions alone tells"`

	Stack           string `json:"stack,omitempty" doc:"layers of the viewer's connection, bottom first"`
	Security        string `json:"security,omitempty" doc:"what the viewer proved itself by"`
	DisplayStack    string `json:"display_stack,omitempty" doc:"layers of the display's connection, bottom first"`
	DisplaySecurity string `json:"display_security,omitempty" doc:"what we proved ourselves to the display by"`

	BytesUp   int64   `json:"bytes_up" doc:"from the viewer"`
	BytesDown int64   `json:"bytes_down" doc:"to the viewer"`
	Messages  uint64  `json:"messages" doc:"of the viewer's that were let through"`
	Filtered  uint64  `json:"filtered" doc:"messages that were withheld"`
	RTT       float64 `json:"rtt_ms,omitempty" doc:"the viewer's answer to the last ping or fence that was timed, in milliseconds"`

	DisplayRTT float64 `json:"display_rtt_ms,omitempty" doc:"the display's answer to the last fence that was timed, in milliseconds"`

	Stream *SessionStream `json:"stream,omitempty" doc:"its way through the tunnel of the agent"`
}

// SessionStream is what a session's stream in an agent's tunnel has come to.
type SessionStream struct {
	ID     uint32  `json:"id" doc:"number of the stream in its tunnel"`
	In     int64   `json:"in" doc:"bytes from the display"`
	Out    int64   `json:"out" doc:"bytes to it"`
	Window int     `json:"window" doc:"bytes that may come before the viewer has taken any"`
	Unread int64   `json:"unread" doc:"bytes that have come and wait for the viewer"`
	Waited float64 `json:"waited_seconds" doc:"how long what goes to the display has waited until the agent took more"`
}

// SessionOf is a session of the gateway in the form in which it is told.
func SessionOf(info *gateway.SessionInfo) Session {
	s := Session{
		ID: info.ID, State: "waiting", User: info.Identity.Name, Method: info.Identity.Method, Groups: info.Identity.Groups,
		From: info.From, Listener: info.Listener, Target: info.Target, Reached: info.Reached, Agent: info.Agent, Class: info.Class,
		Since: info.Since.UTC(), Expires: info.Expires, Rights: rightsOf(info.Rights), Limits: info.Limits.String(),
		Rule: info.Rule, Ticket: info.Ticket, Recorded: info.Recorded, Stack: info.Stack, Security: info.Security,
		DisplayStack: info.DisplayStack, DisplaySecurity: info.DisplaySecurity,
		BytesUp: info.BytesUp, BytesDown: info.BytesDown, Messages: info.Messages, Filtered: info.Filtered,
		RTT: float64(info.RTT.Microseconds()) / 1000, DisplayRTT: float64(info.DisplayRTT.Microseconds()) / 1000,
	}
	if m := info.Stream; m != nil {
		s.Stream = &SessionStream{m.ID, m.In, m.Out, m.Window, m.Unread, m.Waited.Seconds()}
	}
	if info.Withheld != 0 {
		s.Withheld = rightsOf(info.Withheld)
	}
	switch {
	case info.Paused:
		s.State = "paused"
	case info.Open:
		s.State = "open"
	}
	if !s.Expires.IsZero() {
		s.Expires = s.Expires.UTC()
	}
	return s
}

func rightsOf(r auth.Rights) []string {
	text := r.String()
	if text == "" {
		return []string{}
	}
	return strings.Split(text, ",")
}

// Which are the sessions that are meant: those that fit all that is given, which
// is one thing at least.
type Which struct {
	ID       string `json:"id,omitempty" doc:"ID of the session" of:"session"`
	Target   string `json:"target,omitempty" doc:"all sessions on this target" of:"target"`
	User     string `json:"user,omitempty" doc:"all sessions of this user" of:"user"`
	Listener string `json:"listener,omitempty" doc:"all that came in here" of:"listener"`
	Class    string `json:"class,omitempty" doc:"all that run in this class" of:"class"`
	Agent    string `json:"agent,omitempty" doc:"all whose displays are reached through this agent" of:"agent"`
	All      bool   `json:"all,omitempty" doc:"every session there is"`
}

func (w *Which) empty() bool { return *w == Which{} }

func (w *Which) fits(s *gateway.SessionInfo) bool {
	return cmp.Or(w.ID, s.ID) == s.ID && cmp.Or(w.Target, s.Target) == s.Target &&
		cmp.Or(w.Listener, s.Listener) == s.Listener && cmp.Or(w.Class, s.Class) == s.Class && cmp.Or(w.Agent, s.Agent) == s.Agent &&
		(w.User == "" || isUser(s, w.User))
}

func isUser(s *gateway.SessionInfo, name string) bool {
	return s.Identity.Name == name || slices.ContainsFunc(s.Identities, func(id auth.Identity) bool { return id.Name == name })
}

// check refuses what would mean all sessions by mistake.
func (w *Which) check() error {
	if w.empty() {
		return Wrong("which session? give its id (query-sessions lists them), or target, user, listener, class, agent or all")
	}
	return nil
}

// none is the error of a command that has met no session.
func (w *Which) none() error {
	if w.ID != "" {
		return NotFound("no session %q: it has ended, or its viewer has not proved who it is yet; query-sessions lists those there are", w.ID)
	}
	return NotFound("no session fits; query-sessions lists those there are")
}

// met is the result of a command on sessions, or its error.
func (w *Which) met(n int) (Met, error) {
	if n == 0 {
		return Met{}, w.none()
	}
	return Met{Sessions: n}, nil
}

// Silence is in the answers of several gateways together.
type Silence struct {
	// Silent are those of whom nothing is in an answer.
	Silent []string `json:"silent,omitempty" doc:"nodes that did not answer: what is there is left out"`
}

// Met says how many sessions a command has met.
type Met struct {
	Sessions int `json:"sessions" doc:"how many sessions it met"`
	Silence
}

// SessionQuery are the arguments of query-sessions. Without any it lists all.
type SessionQuery struct {
	Which
	Paging
}

// SessionList is a page of sessions, the oldest first.
type SessionList struct {
	Sessions []Session `json:"sessions" doc:"the oldest first"`
	Next     string    `json:"next,omitempty" doc:"after, for the rest; none: that was all"`
	Silence
}

func (b *Backend) querySessions(_ context.Context, _ *Call, q SessionQuery) (SessionList, error) {
	var list []Session
	for _, info := range b.Gateway.List() {
		if q.fits(&info) {
			s := SessionOf(&info)
			s.Node = b.Node
			s.Followed = b.Followed != nil && b.Followed(info.ID)
			list = append(list, s)
		}
	}
	page, next, err := pageOf(q.Paging, list, sessionKey)
	return SessionList{Sessions: page, Next: next}, err
}

// sessionKey sorts sessions by their age.
func sessionKey(s Session) string { return ordered(s.Since.UnixMicro()) + "." + s.ID }

// MergeSessions makes one page of those that several processes have returned to the
// same SessionQuery, with at most limit entries; 0: as many as one answer holds.
// Its Next holds for each of the processes.
func MergeSessions(lists []SessionList, limit int) SessionList {
	var merged SessionList
	var pages []Page[Session]
	for _, l := range lists {
		pages = append(pages, Page[Session]{l.Sessions, l.Next})
		merged.Silent = append(merged.Silent, l.Silent...)
	}
	page := MergePages(limit, pages, sessionKey)
	merged.Sessions, merged.Next = page.Entries, page.Next
	return merged
}

// Kill are the arguments of session-kill.
type Kill struct {
	Which
	Words string `json:"words,omitempty" doc:"what the viewer is told"`
	Kick  bool   `json:"kick,omitempty" doc:"keep the viewer out for limits.kick_time"`
}

func (b *Backend) sessionKill(_ context.Context, _ *Call, k Kill) (Met, error) {
	if err := k.check(); err != nil {
		return Met{}, err
	}
	return k.met(b.Gateway.End(
		func(s gateway.SessionInfo) bool { return k.fits(&s) },
		gateway.Ending{Reason: "killed", Words: k.Words, Kick: k.Kick},
	))
}

// Message are the arguments of session-message.
type Message struct {
	Which
	Words string `json:"words" doc:"to show on the viewers' pages"`
}

const maxWords = 1000

func (b *Backend) sessionMessage(_ context.Context, call *Call, m Message) (Met, error) {
	if err := m.check(); err != nil {
		return Met{}, err
	}
	if m.Words == "" || len(m.Words) > maxWords {
		return Met{}, Wrong("Parameter 'words' has from 1 to %d bytes", maxWords)
	}
	told := b.Gateway.Message(func(s gateway.SessionInfo) bool { return m.fits(&s) }, m.Words)
	if told == 0 {
		return Met{}, NotFound("nobody was told: of the sessions that fit, none has a page of the gateway's that shows words (native viewers have none)")
	}
	return Met{Sessions: told}, nil
}

// Mark are the arguments of session-mark.
type Mark struct {
	ID   string `json:"id" doc:"ID of the session" of:"session"`
	What string `json:"what" doc:"what is typed from here on" enum:"password,clear"`
}

func (b *Backend) sessionMark(_ context.Context, _ *Call, m Mark) (Met, error) {
	if m.What != "password" && m.What != "clear" {
		return Met{}, Wrong("Parameter 'what' is password, or clear where it is none any more")
	}
	if b.Mark == nil || !b.Mark(m.ID, m.What == "password") {
		return Met{}, NotFound("no session %q is recorded; query-sessions lists those there are", m.ID)
	}
	return Met{Sessions: 1}, nil
}

// Pause are the arguments of session-pause and session-resume.
type Pause struct {
	Which
	Words string `json:"words,omitempty" doc:"what the viewer is told"`
}

func (b *Backend) sessionPause(_ context.Context, _ *Call, p Pause) (Met, error) {
	if err := p.check(); err != nil {
		return Met{}, err
	}
	n := b.Gateway.Pause(func(s gateway.SessionInfo) bool { return p.fits(&s) }, p.Words)
	return p.met(n)
}

func (b *Backend) sessionResume(_ context.Context, _ *Call, p Pause) (Met, error) {
	if err := p.check(); err != nil {
		return Met{}, err
	}
	n := b.Gateway.Resume(func(s gateway.SessionInfo) bool { return p.fits(&s) }, p.Words)
	if n == 0 {
		return Met{}, NotFound("no session that fits is paused; query-sessions shows their states")
	}
	return Met{Sessions: n}, nil
}

// SetRights are the arguments of session-set-rights: exactly one of Rights,
// Without and Restore.
type SetRights struct {
	Which
	Rights  []string `json:"rights,omitempty" doc:"all that is left of what was granted" of:"right"`
	Without []string `json:"without,omitempty" doc:"what is taken of what was granted" of:"right"`
	Restore bool     `json:"restore,omitempty" doc:"all that was granted"`
}

// mask is what is left.
func (r *SetRights) mask() (auth.Rights, error) {
	given := 0
	for _, one := range []bool{r.Rights != nil, r.Without != nil, r.Restore} {
		if one {
			given++
		}
	}
	if given != 1 {
		return 0, Wrong("say by one of rights, without and restore what the viewer may do")
	}
	named, err := auth.ParseRights(slices.Concat(r.Rights, r.Without))
	if err != nil {
		return 0, Wrong("%s", strings.TrimPrefix(err.Error(), "auth: "))
	}
	if r.Rights == nil {
		named = auth.EveryRight &^ named
	}
	if !named.Has(auth.View) {
		return 0, Wrong("without view nobody sees anything: session-kill ends a session, session-pause stops it")
	}
	return named, nil
}

// RightsSet says how many sessions a change of rights has met.
type RightsSet struct {
	Sessions int `json:"sessions" doc:"how many are held to it now"`
	Cannot   int `json:"cannot,omitempty" doc:"how many go on as before: what is to be withheld of what their displays send (clipboard-out, bell, audio) cannot be from the middle on"`
	Silence
}

func (b *Backend) sessionSetRights(_ context.Context, _ *Call, r SetRights) (RightsSet, error) {
	if err := r.check(); err != nil {
		return RightsSet{}, err
	}
	mask, err := r.mask()
	if err != nil {
		return RightsSet{}, err
	}
	held := b.Gateway.HoldTo(func(s gateway.SessionInfo) bool { return r.fits(&s) }, mask)
	switch {
	case held.Sessions == 0 && held.Cannot > 0:
		return RightsSet{}, &Error{Class: ClassGeneric, Desc: "clipboard-out, bell and audio cannot be taken in the middle of this session: leave them (without: keyboard, pointer, …), or end it with session-kill"}
	case held.Sessions == 0:
		return RightsSet{}, r.none()
	}
	return RightsSet{Sessions: held.Sessions, Cannot: held.Cannot}, nil
}

// SetClass are the arguments of session-set-class.
type SetClass struct {
	ID    string `json:"id" doc:"ID of the session" of:"session"`
	Class string `json:"class" doc:"in which it is to run" of:"class"`
}

func (b *Backend) setClass(_ context.Context, _ *Call, a SetClass) (struct{}, error) {
	if b.SetClass == nil {
		return struct{}{}, unavailable("there are no classes: classes: in the configuration makes some")
	}
	return struct{}{}, b.SetClass(a.ID, a.Class)
}

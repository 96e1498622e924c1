package gateway

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"time"

	"vncgate/auth"
	"vncgate/layers"
)

// SessionInfo is what there is to know of a session from outside.
type SessionInfo struct {
	// ID is the session's name in logs.
	ID string
	// Listener is Front.Name.
	Listener string
	// Target is the display that the viewer chose.
	Target string
	// Identities are what the viewer has proved, and Identity the one that
	// the session goes by.
	Identities []auth.Identity
	Identity   auth.Identity
	// Ticket is Front.TicketID.
	Ticket string
	// From is the viewer's address, for people.
	From string
	// Since is when the viewer came.
	Since time.Time
	// Open says that the viewer sees the display; it waits for it otherwise.
	Open bool
	// Paused says that nothing passes for now (Gateway.Pause).
	Paused bool
	// Recorded says that a Recorder takes what passes.
	Recorded bool
	// Class is the name of the class that the session runs in; "" where there
	// are none.
	Class string
	// Stack are the layers of the viewer's connection, bottom first, and
	// DisplayStack those of the display's. What the display's side and
	// Security are is known once the session is open.
	Stack, DisplayStack string
	// Security is what the viewer proved itself by, and DisplaySecurity what we
	// did to the display, as the configuration names them.
	Security, DisplaySecurity string
	// Reached is the target that serves instead, where a fall-back does.
	Reached string
	// Agent is the name of the agent through whose tunnel the display is
	// reached, once the session is open; "" where there is none.
	Agent string
	// Stream are the figures of its stream there, nil where there is none.
	Stream *layers.MuxStreamStats
	// BytesUp and BytesDown are the payload that was moved from the viewer and
	// to it.
	BytesUp, BytesDown int64
	// Messages are those of the viewer's that were let through, and Filtered
	// those of either side that were withheld.
	Messages, Filtered uint64
	// RTT is how long the viewer's browser took to answer the last ping, or a
	// native viewer a fence of the display's that was seen passing, and DisplayRTT
	// the display to answer a fence. Fences are seen where what the display sends
	// is filtered. 0: not known.
	RTT, DisplayRTT time.Duration
	// Withheld is what was granted and HoldTo has taken.
	Withheld auth.Rights
	// Rights, Limits, Rule and Expires are those of the grant as it is now.
	Rights  auth.Rights
	Limits  auth.Limits
	Rule    string
	Expires time.Time
}

// List returns the sessions that have a grant, the oldest first.
func (g *Gateway) List() []SessionInfo {
	all := g.all()
	list := make([]SessionInfo, 0, len(all))
	for _, s := range all {
		if info, ok := s.info(); ok {
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b SessionInfo) int { return a.Since.Compare(b.Since) })
	return list
}

// Granted is how many sessions List would return: those that have a grant.
func (g *Gateway) Granted() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		n += count(!s.kept.quiet && s.hasGrant())
	}
	return n
}

// Ending is why somebody ends a session from outside.
type Ending struct {
	// Reason is for the log: one of a few, like "revoked". "" is "ended".
	Reason string
	// Words are for the viewer's user; "" says that the session was ended.
	Words string
	// Kick keeps the viewer out for a while (Limits.KickTime): one that was
	// sent away should not be back before the door is shut. Without it
	// whatever the session rested on is expected to be gone.
	Kick bool
}

// End ends the sessions that match, and returns how many these were. It does
// not wait for their ends.
func (g *Gateway) End(match func(SessionInfo) bool, why Ending) int {
	ended := 0
	for _, s := range g.all() {
		info, ok := s.info()
		if !ok || !match(info) {
			continue
		}
		if why.Kick {
			g.outlaws.add(s.outlawKeys(), time.Now(), g.limitsNow().KickTime)
		}
		s.stop(why.ending())
		ended++
	}
	return ended
}

// Ban keeps a user out of every display for a while (Limits.KickTime), by
// whatever means the name is proved. Who is in stays: End comes after it, so
// that no session slips through between the two.
func (g *Gateway) Ban(user string) {
	g.mu.Lock()
	g.prepare()
	g.mu.Unlock()
	g.outlaws.add([]string{bannedKey(user)}, time.Now(), g.limitsNow().KickTime)
}

// Message shows words to the viewers of the sessions that match, where their
// pages listen (Front.NoticeKey), and returns how many these were.
func (g *Gateway) Message(match func(SessionInfo) bool, words string) int {
	told := 0
	for _, s := range g.all() {
		if info, ok := s.info(); ok && match(info) && s.board != nil {
			s.board.post(Notice{Kind: NoticeMessage, Words: words})
			s.emit(Event{Kind: SessionMessage, Words: words})
			told++
		}
	}
	return told
}

var errEnded = errors.New("gateway: ended from outside")

func (e Ending) ending() ending {
	end := ending{"ended", "Your session was ended.", layers.ClosePolicy, errEnded}
	if e.Reason != "" {
		end.reason = e.Reason
	}
	if e.Words != "" {
		end.words = e.Words
	}
	return end
}

// info is for sessions that have a grant.
func (s *Session) info() (SessionInfo, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held || s.kept.quiet {
		return SessionInfo{}, false
	}
	info := SessionInfo{
		ID: s.id, Listener: s.kept.name, Target: s.name, Stack: s.stack,
		Identities: slices.Clone(s.asked.Identities), Identity: s.grant.Identity,
		Ticket: s.kept.ticketID, From: s.from, Since: s.begun, Recorded: s.tap != nil,
		Withheld: s.answer.Rights &^ s.grant.Rights,
		Rights:   s.grant.Rights, Limits: s.grant.Limits, Rule: s.grant.Rule, Expires: s.grant.Expires,
	}
	if s.inClass {
		info.Class = s.class.Load().Name
	}
	if s.traffic != nil {
		s.describeOpen(&info)
	}
	return info, true
}

// describeStream adds what there is to know of the tunnel to the display.
func (s *Session) describeStream(info *SessionInfo) {
	info.Agent = s.agent
	if stream, ok := layers.As[interface{ Stats() layers.MuxStreamStats }](s.display.Conn); ok {
		stats := stream.Stats()
		info.Stream = &stats
	}
}

// displayStack describes the way to a display, with that of the tunnel it is in.
func displayStack(c net.Conn) string {
	stack := layers.Describe(c)
	if in, ok := layers.As[interface{ Stack() string }](c); ok && in.Stack() != "" {
		return in.Stack() + "→" + stack
	}
	return stack
}

// describeOpen adds what there is to know of a session that is open; s.mu is
// held, under which all of this was there before the relay.
func (s *Session) describeOpen(info *SessionInfo) {
	r := s.traffic
	info.Open, info.Paused = true, r.isPaused()
	info.Security, info.DisplaySecurity = methodOf(s.viewer.Secured), methodOf(s.display.Secured)
	info.DisplayStack = displayStack(s.display.Conn)
	info.BytesUp, info.BytesDown = r.up.moved.Load(), r.down.moved.Load()
	info.Messages, info.Filtered = r.filter.Passed(), r.filter.Dropped()
	if r.server != nil {
		info.Filtered += r.server.Dropped()
		info.RTT, info.DisplayRTT = r.server.RoundTrips()
	}
	if s.agent != "" {
		s.describeStream(info)
	}
	if s.fallback {
		info.Reached = s.reached
	}
	if ws, ok := layers.As[*layers.WebSocketConn](s.below); ok {
		info.RTT = cmp.Or(ws.RoundTrip(), info.RTT)
	}
}

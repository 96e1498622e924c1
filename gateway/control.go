package gateway

import (
	"errors"
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
	// Rights, Limits, Rule and Expires are those of the grant as it is now.
	Rights  auth.Rights
	Limits  auth.Limits
	Rule    string
	Expires time.Time
}

// List returns the sessions that have a grant, the oldest first.
func (g *Gateway) List() []SessionInfo {
	var list []SessionInfo
	for _, s := range g.all() {
		if info, ok := s.info(); ok {
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b SessionInfo) int { return a.Since.Compare(b.Since) })
	return list
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
			g.outlaws.add(s.outlawKeys(), time.Now(), g.Limits.KickTime)
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
	g.outlaws.add([]string{bannedKey(user)}, time.Now(), g.Limits.KickTime)
}

// Message shows words to the viewers of the sessions that match, where their
// pages listen (Front.NoticeKey), and returns how many these were.
func (g *Gateway) Message(match func(SessionInfo) bool, words string) int {
	told := 0
	for _, s := range g.all() {
		if info, ok := s.info(); ok && match(info) && s.board != nil {
			s.board.post(Notice{Kind: NoticeMessage, Words: words})
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
	if !s.held {
		return SessionInfo{}, false
	}
	return SessionInfo{
		ID: s.id, Listener: s.front.Name, Target: s.name,
		Identities: slices.Clone(s.asked.Identities), Identity: s.grant.Identity,
		Ticket: s.front.TicketID, From: s.from, Since: s.begun, Open: s.traffic != nil,
		Rights: s.grant.Rights, Limits: s.grant.Limits, Rule: s.grant.Rule, Expires: s.grant.Expires,
	}, true
}

package tunnel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vncgate/certs"
)

// Bounds of what is kept of agents.
const (
	maxCertificates = 16          // of one agent; the newest stay
	maxHourly       = 12          // of one agent, new within an hour
	maxRevoked      = 20_000      // revocations
	seenEvery       = time.Minute // between two writings that an agent was seen
)

// KnownAgent is an agent that got a certificate by a token, or that came with
// one.
type KnownAgent struct {
	Name         string
	Certificates []KnownCertificate // the newest last
	First, Last  time.Time          // when it was seen; zero: never
	From         string             // the address it was seen at last
}

// KnownCertificate is a certificate of an agent.
type KnownCertificate struct {
	Serial   string // in hex
	Services []string
	Issued   time.Time
	Expires  time.Time
	Revoked  bool
}

// keptAgent is a KnownAgent as it is kept.
type keptAgent struct {
	Name         string            `json:"name"`
	Certificates []keptCertificate `json:"certificates"`
	First        int64             `json:"first,omitempty"`
	Last         int64             `json:"last,omitempty"`
	From         string            `json:"from,omitempty"`
}

type keptCertificate struct {
	Serial   string   `json:"serial"`
	Services []string `json:"services"`
	Issued   int64    `json:"issued"`
	Expires  int64    `json:"expires"`
}

// add keeps a certificate, in the place of those that have ended or of the
// oldest.
func (a *keptAgent) add(c keptCertificate, now time.Time) {
	a.Certificates = slices.DeleteFunc(a.Certificates, func(old keptCertificate) bool {
		return old.Serial == c.Serial || !now.Before(moment(old.Expires))
	})
	a.Certificates = append(a.Certificates, c)
	a.Certificates = a.Certificates[max(0, len(a.Certificates)-maxCertificates):]
}

// errOften says that an agent asks for more certificates than it can need.
var errOften = fmt.Errorf("%d certificates within an hour are the most", maxHourly)

// issued writes a certificate down before anybody has it.
func (r *Registry) issued(ctx context.Context, c certs.Agent) error {
	return changed(ctx, r, agentTexts+c.Name, func(a *keptAgent) (*keptAgent, error) {
		if a == nil {
			a = &keptAgent{Name: c.Name}
		}
		lately := 0
		for _, old := range a.Certificates {
			if c.Issued.Sub(moment(old.Issued)) < time.Hour && !r.Revoked(a.Name, old.Serial, moment(old.Issued)) {
				lately++
			}
		}
		if lately >= maxHourly {
			return nil, errOften
		}
		a.add(keptCertificate{c.Serial, c.Services, c.Issued.Unix(), c.Expires.Unix()}, r.now())
		return a, nil
	})
}

// errSeen ends a change that there is no reason for.
var errSeen = errors.New("seen lately")

// Seen writes down that an agent is here, by that certificate and from there. It
// writes at most once a minute.
func (r *Registry) Seen(ctx context.Context, c certs.Agent, from string) error {
	now := r.now()
	err := changed(ctx, r, agentTexts+c.Name, func(a *keptAgent) (*keptAgent, error) {
		if a == nil {
			a = &keptAgent{Name: c.Name}
		}
		known := slices.ContainsFunc(a.Certificates, func(old keptCertificate) bool { return old.Serial == c.Serial })
		if known && a.From == from && now.Sub(moment(a.Last)).Abs() < seenEvery {
			return nil, errSeen
		}
		if !known {
			a.add(keptCertificate{c.Serial, c.Services, c.Issued.Unix(), c.Expires.Unix()}, now)
		}
		a.First, a.Last, a.From = cmp.Or(a.First, now.Unix()), now.Unix(), from
		return a, nil
	})
	if errors.Is(err, errSeen) {
		return nil
	}
	return err
}

// Agents lists the agents that have a certificate, by name. Those that cannot be
// read are passed over and named by the error.
func (r *Registry) Agents(ctx context.Context) ([]KnownAgent, error) {
	all, err := listed[keptAgent](ctx, r, agentTexts)
	var list []KnownAgent
	for _, a := range all {
		one := KnownAgent{Name: a.Name, First: moment(a.First), Last: moment(a.Last), From: a.From}
		for _, c := range a.Certificates {
			if r.now().Before(moment(c.Expires)) {
				revoked := r.Revoked(a.Name, c.Serial, moment(c.Issued))
				one.Certificates = append(one.Certificates, KnownCertificate{c.Serial, c.Services, moment(c.Issued), moment(c.Expires), revoked})
			}
		}
		if len(one.Certificates) > 0 {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b KnownAgent) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// Until is when the last of an agent's certificates that are not revoked runs
// out, or the zero time.
func (r *Registry) Until(ctx context.Context, name string) (end time.Time, err error) {
	if err := certs.CheckWord(name); err != nil {
		return end, err
	}
	text, err := r.store.Read(ctx, agentTexts+name)
	if err != nil || text == nil {
		return end, err
	}
	var a keptAgent
	if err := json.Unmarshal(text, &a); err != nil {
		return end, fmt.Errorf("tunnel: registry: agent %s: %w", name, err)
	}
	for _, c := range a.Certificates {
		if one := moment(c.Expires); one.After(end) && !r.Revoked(name, c.Serial, moment(c.Issued)) {
			end = one
		}
	}
	return end, nil
}

// errStill ends the removal of an agent that has got a certificate meanwhile.
var errStill = errors.New("it has a certificate")

// sweepAgents forgets the agents whose certificates have all ended.
func (r *Registry) sweepAgents(ctx context.Context, now time.Time) error {
	all, err := listed[keptAgent](ctx, r, agentTexts)
	if all == nil && err != nil {
		return err
	}
	good := func(c keptCertificate) bool { return now.Before(moment(c.Expires)) }
	for _, a := range all {
		if slices.ContainsFunc(a.Certificates, good) {
			continue
		}
		err := changed(ctx, r, agentTexts+a.Name, func(a *keptAgent) (*keptAgent, error) {
			if a != nil && slices.ContainsFunc(a.Certificates, good) {
				return nil, errStill
			}
			return nil, nil
		})
		if err != nil && !errors.Is(err, errStill) {
			return err
		}
	}
	return nil
}

// Revocation says what is good no more: all certificates of an agent that were
// issued up to now, with the tokens for it; or one certificate, by its serial
// number in hex.
type Revocation struct {
	Agent, Serial string
	At            time.Time // when it was made
	Maker, Note   string
}

type keptRevocation struct {
	Agent  string `json:"agent,omitempty"`
	Serial string `json:"serial,omitempty"`
	At     int64  `json:"at"`
	Maker  string `json:"maker,omitempty"`
	Note   string `json:"note,omitempty"`
}

// revocations are all of them, to be looked up. They do not change once read.
type revocations struct {
	list    []keptRevocation
	agents  map[string]int64 // up to when certificates are revoked
	serials map[string]bool
}

func (all *revocations) equal(other *revocations) bool { return slices.Equal(all.list, other.list) }

type keptRevocations struct {
	Revoked []keptRevocation `json:"revoked"`
}

func (r *Registry) readRevoked(ctx context.Context) (*revocations, error) {
	texts, err := listed[keptRevocations](ctx, r, revokedText)
	if err != nil {
		return nil, err
	}
	all := &revocations{agents: map[string]int64{}, serials: map[string]bool{}}
	for _, text := range texts {
		all.list = append(all.list, text.Revoked...)
	}
	for _, one := range all.list {
		if one.Serial != "" {
			all.serials[one.Serial] = true
		} else {
			all.agents[one.Agent] = max(all.agents[one.Agent], one.At)
		}
	}
	return all, nil
}

// Revoke takes certificates back. It has been written when it returns; whoever
// is told by OnChange ends the tunnels. That an agent is not known is no error:
// its certificate may have been made by hand.
func (r *Registry) Revoke(ctx context.Context, v Revocation) error {
	v.Serial = strings.ToUpper(strings.ReplaceAll(v.Serial, ":", ""))
	if err := v.check(); err != nil {
		return fmt.Errorf("tunnel: revoke: %w", err)
	}
	one := keptRevocation{v.Agent, v.Serial, r.now().Unix(), v.Maker, v.Note}
	err := changed(ctx, r, revokedText, func(text *keptRevocations) (*keptRevocations, error) {
		if text == nil {
			text = &keptRevocations{}
		}
		text.Revoked = slices.DeleteFunc(text.Revoked, func(old keptRevocation) bool { return old.Agent == one.Agent && old.Serial == one.Serial })
		if len(text.Revoked) >= maxRevoked {
			return nil, fmt.Errorf("there are %d revocations already: make a new authority for agents", maxRevoked)
		}
		text.Revoked = append(text.Revoked, one)
		return text, nil
	})
	if err != nil {
		return err
	}
	if _, err = r.look(ctx); v.Agent != "" {
		err = errors.Join(err, r.removeTokens(ctx, v.Agent))
	}
	return err
}

func (v Revocation) check() error {
	switch {
	case (v.Agent == "") == (v.Serial == ""):
		return errors.New("name an agent, or the serial number of a certificate")
	case len(v.Note) > maxNote || len(v.Maker) > maxNote:
		return fmt.Errorf("a note has at most %d bytes", maxNote)
	case v.Agent != "":
		return certs.CheckWord(v.Agent)
	case len(v.Serial) > 40 || strings.Trim(v.Serial, "0123456789ABCDEF") != "":
		return fmt.Errorf("%.80q is no serial number: hex digits", v.Serial)
	}
	return nil
}

// removeTokens drops the tokens for an agent that was revoked. They are good for
// nothing anyway.
func (r *Registry) removeTokens(ctx context.Context, name string) error {
	all, err := listed[keptToken](ctx, r, tokenTexts)
	for _, t := range all {
		if t.Agent == name {
			if e := r.RemoveToken(ctx, t.ID); e != nil && !errors.Is(e, ErrTokenUnknown) {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

// Revocations lists what was revoked, the oldest first.
func (r *Registry) Revocations(ctx context.Context) ([]Revocation, error) {
	all, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	var list []Revocation
	for _, one := range all.list {
		list = append(list, Revocation{one.Agent, one.Serial, moment(one.At), one.Maker, one.Note})
	}
	return list, nil
}

// Revoked reports whether the certificate with that serial number, issued to the
// agent then, is good no more. It is asked often and does not wait. Where the
// revocations could not be read once, all are revoked.
func (r *Registry) Revoked(name, serial string, issued time.Time) bool {
	all := r.revoked.Load()
	return all == nil || all.covers(name, serial, issued)
}

// errUnread says that nobody knows who is revoked.
var errUnread = errors.New("tunnel: registry: the revocations have not been read yet")

// Check is Revoked for who has to know why: its error matches ErrRevoked where the
// certificate was taken back, and not where that is not known yet.
func (r *Registry) Check(name, serial string, issued time.Time) error {
	all := r.revoked.Load()
	switch {
	case all == nil:
		return errUnread
	case all.covers(name, serial, issued):
		return ErrRevoked
	}
	return nil
}

func (all *revocations) covers(name, serial string, issued time.Time) bool {
	at, ok := all.agents[name]
	return all.serials[serial] || ok && issued.Unix() <= at
}

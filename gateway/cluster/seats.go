package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"vncgate/auth"
	"vncgate/gateway"
)

// maxQueue is how many may wait for one target, at all nodes together.
const maxQueue = 64

// tries is how often a question is asked anew whose life has ended meanwhile.
const tries = 5

// place is one that a session of this node has.
type place struct {
	gateway.Seat
	life  string // in which it was written last; "": in none
	alone bool   // by Exclude
}

// move is what Redis is to be told of a session's place.
type move struct {
	gateway.Seat
	left bool
}

var busyNames = map[auth.BusyAction]string{auth.BusyReplace: "replace", auth.BusyView: "view", auth.BusyQueue: "queue"}

// seatKeys are those that scripts about a place take.
func (c *Cluster) seatKeys(life string, s *gateway.Seat) []string {
	return []string{
		c.keys.alive(), c.keys.target(s.Target), c.keys.lookers(s.Target), c.keys.user(s.User), c.keys.address(s.Address.String()),
		c.keys.exclusive(s.Target), c.keys.queue(s.Target), c.keys.ended(), c.keys.sessions(life), c.keys.writes(),
	}
}

// seatAsk is what they take beside these.
type seatAsk struct {
	busy   string
	since  string // when it came, in Redis's time; "0": now
	before string // life
	record bool
}

func (c *Cluster) seatArgs(life string, s *gateway.Seat, ask seatAsk) []any {
	record, before := "", ""
	if ask.record {
		record = encode(recordOf(&s.Info))
	}
	if ask.before != "" && ask.before != life {
		before = seatName(ask.before, s)
	}
	limits := s.Limits
	if limits == nil {
		limits = &auth.Limits{}
	}
	return []any{
		seatName(life, s), limits.PerTarget, limits.PerUser, limits.PerAddress, flag(s.User != ""), flag(s.Address.IsValid()), flag(s.Looks),
		s.Session, record, remember.Milliseconds(), c.keys.bus(), life, ask.busy, ask.since, maxQueue, before,
	}
}

// seatName is what a place is called in Redis.
func seatName(life string, s *gateway.Seat) string { return life + "/" + s.Session }

func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}

// Enter gives the session a place among those of all nodes (gateway.Seats).
func (c *Cluster) Enter(ctx context.Context, s gateway.Seat) (gateway.Seating, error) {
	got, _, err := c.enter(ctx, &s, "0")
	return got, err
}

// enter is Enter for one that came at since, in Redis's time.
func (c *Cluster) enter(ctx context.Context, s *gateway.Seat, since string) (gateway.Seating, string, error) {
	busy := busyOf(s)
	for range tries {
		life, err := c.ready(ctx)
		if err != nil {
			return gateway.Seating{}, since, err
		}
		reply, err := c.run(ctx, enterScript, c.seatKeys(life, s), c.seatArgs(life, s, seatAsk{busy: busy, since: since, record: true})...)
		if err != nil {
			c.Leave(*s) // it may have been done
			return gateway.Seating{}, since, c.failed(err)
		}
		word, list := reply.text(0), reply
		c.wrote(life, list.number(3))
		if word == "dead" {
			if err := c.reborn(ctx, life); err != nil {
				return gateway.Seating{}, since, err
			}
			continue
		}
		return c.seated(life, s, word, list)
	}
	return gateway.Seating{}, since, c.failed(errDead)
}

// seated is what an answer of enterScript says.
func (c *Cluster) seated(life string, s *gateway.Seat, word string, list reply) (gateway.Seating, string, error) {
	missing := gateway.SeatWant(min(max(list.number(1), 0), int64(gateway.SeatOfAddress)))
	got := gateway.Seating{Missing: missing, Occupied: list.number(2) == 1}
	switch word {
	case "in":
		c.hold(life, s)
	case "looks":
		got.Looks, s.Looks = true, true
		c.hold(life, s)
	case "waits":
		got.Waits = true
	case "crowded":
		got.Crowded = true
	case "no":
		got.Replaces = busyOf(s) == busyNames[auth.BusyReplace]
	default: // else nothing would be missing
		return gateway.Seating{}, "", c.failed(errAnswer)
	}
	return got, list.text(4), nil
}

func busyOf(s *gateway.Seat) string {
	if s.Limits == nil || busyNames[s.Limits.Busy] == "" {
		return "refuse"
	}
	return busyNames[s.Limits.Busy]
}

// Replace gives the session the place of others, and waits until they have left
// (gateway.Seats).
func (c *Cluster) Replace(ctx context.Context, s gateway.Seat) error {
	for range tries {
		life, err := c.ready(ctx)
		if err != nil {
			return err
		}
		list, err := c.run(ctx, replaceScript, c.seatKeys(life, &s), c.seatArgs(life, &s, seatAsk{busy: busyOf(&s), since: "0", record: true})...)
		if err != nil {
			c.Leave(s)
			return c.failed(err)
		}
		c.wrote(life, list.number(1))
		switch list.text(0) {
		case "in":
			c.hold(life, &s)
			return c.awaitGone(ctx, list.texts(2))
		case "dead":
			if err := c.reborn(ctx, life); err != nil {
				return err
			}
		default:
			return c.failed(errAnswer)
		}
	}
	return c.failed(errDead)
}

// Exclude gives the session its target for itself (gateway.Seats).
func (c *Cluster) Exclude(ctx context.Context, s gateway.Seat) (granted bool, err error) {
	life, err := c.ready(ctx)
	if err != nil {
		return false, err
	}
	busy := busyOf(&s)
	if s.Limits == nil || s.Limits.Busy == auth.BusyUnset {
		busy = ""
	}
	list, err := c.run(ctx, excludeScript, c.seatKeys(life, &s), c.seatArgs(life, &s, seatAsk{busy: busy, since: "0"})...)
	if err != nil {
		return false, c.failed(err)
	}
	granted = list.number(0) == 1
	if granted && busy != "" && busy != busyNames[auth.BusyReplace] {
		c.mu.Lock()
		if p := c.held[s.Session]; p != nil {
			p.alone = true
		}
		c.mu.Unlock()
	}
	return granted, nil
}

// Hold counts a session that came in by this node's own count (gateway.Seats).
func (c *Cluster) Hold(s gateway.Seat) { c.hold("", &s) }

// hold notes a place that was written in life, and has it written again if
// another has begun since.
func (c *Cluster) hold(life string, s *gateway.Seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &place{Seat: *s, life: life}
	if life != "" { // the list of sessions has it from now on
		p.Info = gateway.SessionInfo{}
	}
	c.held[s.Session] = p
	delete(c.moved, s.Session)
	if life != c.life {
		c.move(s, false)
	}
}

// Leave forgets the session (gateway.Seats).
func (c *Cluster) Leave(s gateway.Seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, s.Session)
	c.move(&s, true)
}

// move has Redis told of a place; c.mu is held. Where too much waits to be told,
// all is told anew.
func (c *Cluster) move(s *gateway.Seat, left bool) {
	c.moved[s.Session] = &move{*s, left}
	if len(c.moved) > maxChanges+len(c.held) {
		c.renew()
	}
	poke(c.changes)
}

// writeMoves tells Redis of the places that have changed.
func (c *Cluster) writeMoves(ctx context.Context) error {
	for {
		life, moves := c.someMoves()
		if len(moves) == 0 {
			return nil
		}
		if err := c.writeSome(ctx, life, moves); err != nil {
			return err
		}
	}
}

// batch is how many records are written at once.
const batch = 200

func (c *Cluster) someMoves() (life string, moves []*move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.moved {
		if moves = append(moves, m); len(moves) == batch {
			break
		}
	}
	return c.life, moves
}

// writeSome writes moves, and forgets those that are what there is still to say.
func (c *Cluster) writeSome(ctx context.Context, life string, moves []*move) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	sent, err := c.sendMoves(ctx, life, moves)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = c.loadScripts(ctx); err == nil {
			sent, err = c.sendMoves(ctx, life, moves)
		}
	}
	if err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") { // a key that somebody else uses: that one is not counted
		return err
	}
	for _, cmd := range sent {
		n, _ := cmd.Int64()
		c.wrote(life, n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range moves {
		if c.moved[m.Session] == m {
			delete(c.moved, m.Session)
		}
		p := c.held[m.Session]
		if p == nil || c.moved[m.Session] != nil {
			continue
		}
		if !m.left {
			p.life, p.Info = life, gateway.SessionInfo{}
		}
		if m.left || life != c.life { // it has come back meanwhile
			c.move(&p.Seat, false)
		}
	}
	return nil
}

func (c *Cluster) sendMoves(ctx context.Context, life string, moves []*move) ([]*redis.Cmd, error) {
	var sent []*redis.Cmd
	_, err := c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, m := range moves {
			before, alone := c.before(m)
			script := holdScript
			if m.left {
				script = leaveScript
			}
			ask := seatAsk{since: strconv.FormatInt(m.Since.UnixMicro(), 10), before: before, record: !m.left && m.Info.ID != ""}
			if alone {
				ask.busy = "alone"
			}
			sent = append(sent, script.EvalSha(ctx, p, c.seatKeys(life, &m.Seat), c.seatArgs(life, &m.Seat, ask)...))
		}
		return nil
	})
	return sent, err
}

// before is the life in which a place was written, and whether it is for one
// alone.
func (c *Cluster) before(m *move) (life string, alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.held[m.Session]; p != nil {
		return p.life, p.alone
	}
	return "", false
}

// loadScripts has Redis know those that are sent by their hashes alone.
func (c *Cluster) loadScripts(ctx context.Context) error {
	for _, s := range []*redis.Script{holdScript, leaveScript} {
		if err := s.Load(ctx, c.client).Err(); err != nil {
			return err
		}
	}
	return nil
}

// ready is the life that is to be used now. Where others are about to return, it
// waits a moment for them.
func (c *Cluster) ready(ctx context.Context) (life string, err error) {
	return c.lifeWhen(ctx, func() bool { return c.settled })
}

// reborn waits for another life than one that Redis took for ended.
func (c *Cluster) reborn(ctx context.Context, life string) error {
	poke(c.beats)
	_, err := c.lifeWhen(ctx, func() bool { return c.life != life && !c.fresh })
	return err
}

// lifeWhen waits until good says, with c.mu held, that a life can be used, for
// as long as a question may take.
func (c *Cluster) lifeWhen(ctx context.Context, good func() bool) (life string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	for {
		c.mu.Lock()
		here, asked, ok, life, why := c.here, c.asked, good(), c.life, c.why
		c.mu.Unlock()
		switch {
		case !here && asked: // a process that has only just begun waits for the first answer
			return "", c.alone(why)
		case here && ok:
			return life, nil
		}
		if rest(ctx, nil, spacing/4) != nil {
			return "", c.alone(errUnsettled)
		}
	}
}

var (
	errUnsettled = errors.New("other nodes have not returned yet")
	errDead      = errors.New("this node is not known to be alive")
	errAnswer    = errors.New("the answer is none of redis")
)

// failed is an error as Gateway knows it. What has failed for one is looked into
// at once, for all.
func (c *Cluster) failed(err error) error {
	poke(c.beats)
	return c.alone(err)
}

// alone is what err comes to for newcomers.
func (c *Cluster) alone(err error) error {
	sentinel := gateway.ErrSeatsAway
	if c.cfg.Alone == Local {
		sentinel = gateway.ErrSeatsLocal
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}

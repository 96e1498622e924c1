package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
)

// keys names what is in Redis; it is what all names begin with. The braces in it
// have a cluster of Redis keep everything in one place, so that a script sees it
// at once.
//
//	alive           sorted set  lives and instances, by when they end (ms)
//	nodes           hash        instance: nodeRecord
//	seq             hash        life: number of its last write
//	s:LIFE          hash        session: sessionRecord
//	g:LIFE          hash        agent: agentRecord
//	t:TARGET        sorted set  seats on a target, by when they were taken (µs)
//	l:TARGET        sorted set  those that only look
//	u:USER          sorted set  seats of a user
//	a:ADDRESS       sorted set  seats from an address
//	x:TARGET        string      the seat that has the target for itself
//	q:TARGET        hash        seat: "arrival limit reason" of those who wait
//	ended           hash        seat: "r" or "t", of those told to make room
//	bury:INSTANCE   string      who reports the sessions of a dead one
//	texts           hash        name: text of a Store
//	versions        hash        name: number of its last write
//	last            string      number of the last write of any text
//	gone            sorted set  names whose texts were deleted, by when (ms)
//
// A seat is LIFE/SESSION.
type keys string

func (k keys) alive() string                  { return string(k) + "alive" }
func (k keys) nodes() string                  { return string(k) + "nodes" }
func (k keys) writes() string                 { return string(k) + "seq" }
func (k keys) ended() string                  { return string(k) + "ended" }
func (k keys) bus() string                    { return string(k) + "bus" }
func (k keys) texts() string                  { return string(k) + "texts" }
func (k keys) versions() string               { return string(k) + "versions" }
func (k keys) last() string                   { return string(k) + "last" }
func (k keys) gone() string                   { return string(k) + "gone" }
func (k keys) sessions(life string) string    { return string(k) + "s:" + life }
func (k keys) agents(life string) string      { return string(k) + "g:" + life }
func (k keys) bury(instance string) string    { return string(k) + "bury:" + instance }
func (k keys) target(name string) string      { return string(k) + "t:" + subject(name) }
func (k keys) lookers(target string) string   { return string(k) + "l:" + subject(target) }
func (k keys) user(name string) string        { return string(k) + "u:" + subject(name) }
func (k keys) address(text string) string     { return string(k) + "a:" + subject(text) }
func (k keys) exclusive(target string) string { return string(k) + "x:" + subject(target) }
func (k keys) queue(target string) string     { return string(k) + "q:" + subject(target) }

// keysUnder are those with a prefix; "" is the usual one.
func keysUnder(prefix string) keys { return keys("{" + cmp.Or(prefix, defaultPrefix) + "}:") }

// subject is a name as it stands in a key.
func subject(name string) string {
	if len(name) <= maxSubject {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:])
}

package capability

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// record is the file of a token.
type record struct {
	Claims   claims     `json:"token"`
	Issuer   string     `json:"issuer,omitempty"`
	Note     string     `json:"note,omitempty"`
	Maker    *makerJSON `json:"maker,omitempty"`
	Used     int        `json:"used,omitempty"`
	LastUsed int64      `json:"last_used,omitempty"`
	Slots    []slot     `json:"slots,omitempty"`
}

// slot is a use that has been paid for: who has it, and where its session runs.
type slot struct {
	Holder string `json:"holder"`         // a hash: what holders are known by may be secret
	Gate   string `json:"gate,omitempty"` // the instance that runs the session; "": it has ended
	Seen   int64  `json:"seen"`           // when it began or ended: milliseconds since 1970
}

// parseRecord reads a token's file.
func parseRecord(text []byte) (*record, error) {
	var r record
	if err := decode(text, &r); err != nil {
		return nil, err
	}
	if _, err := r.Claims.token(); err != nil {
		return nil, err
	}
	if _, err := r.Maker.maker(); err != nil {
		return nil, err
	}
	if r.Used < 0 || r.LastUsed < 0 || r.LastUsed > maxTime || len(r.Slots) > max(MaxUses, defaultHolder) {
		return nil, errors.New("uses are out of range")
	}
	for _, one := range r.Slots {
		if one.Seen < 0 || one.Seen/1000 > maxTime || one.Gate != "" && !validID(one.Gate) {
			return nil, errors.New("a use is malformed")
		}
	}
	return &r, nil
}

func (r *record) format() []byte { return append(encode(r), '\n') }

// encode is v as JSON.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and what was checked always marshal
	}
	return text
}

// full is the token with what stands beside it. The record was checked.
func (r *record) full() Token {
	t, err := r.Claims.token()
	if err != nil {
		panic(err)
	}
	t.Issuer, t.Note = r.Issuer, r.Note
	if t.Maker, err = r.Maker.maker(); err != nil {
		panic(err)
	}
	return t
}

// holderKey is what a holder is known by in the file.
func holderKey(holder string) string {
	sum := sha256.Sum256([]byte(holder))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// use gives holder a session at the instance gate: one that it had and that
// ended less than grace ago, or else another. alive says of an instance
// whether its sessions still run.
func (r *record) use(holder, gate string, now time.Time, grace time.Duration, alive func(string) bool) error {
	key, running := holderKey(holder), false
	r.LastUsed = now.Unix()
	for i := range r.Slots {
		one := &r.Slots[i]
		if holder == "" || one.Holder != key {
			continue
		}
		if one.Gate != "" && alive(one.Gate) {
			running = true
			continue
		}
		// Of a session whose gateway crashed nobody knows when it ended: now,
		// then, for whoever can say who its holder was.
		if one.Gate != "" && grace >= 0 || one.within(grace, now) {
			one.Gate, one.Seen = gate, now.UnixMilli()
			return nil
		}
	}
	switch full := r.Claims.Uses > 0 && r.Used >= r.Claims.Uses; {
	case full && running:
		return ErrRunning
	case full:
		return ErrUsed
	}
	r.Used++
	r.trim(now, grace)
	r.Slots = append(r.Slots, slot{Holder: key, Gate: gate, Seen: now.UnixMilli()})
	return nil
}

// within reports whether the session ended less than grace ago.
func (s *slot) within(grace time.Duration, now time.Time) bool {
	return s.Gate == "" && grace >= 0 && now.Sub(time.UnixMilli(s.Seen)) <= grace
}

// trim drops sessions that nobody can come back to, and where uses are not
// counted the oldest if there are many.
func (r *record) trim(now time.Time, grace time.Duration) {
	r.Slots = slices.DeleteFunc(r.Slots, func(one slot) bool { return one.Gate == "" && !one.within(grace, now) })
	if r.Claims.Uses == 0 && len(r.Slots) >= defaultHolder {
		r.Slots = slices.Delete(r.Slots, 0, len(r.Slots)-defaultHolder+1)
	}
}

// release notes that a session of holder at gate has ended; false if there is
// none.
func (r *record) release(holder, gate string, now time.Time) bool {
	key := holderKey(holder)
	i := slices.IndexFunc(r.Slots, func(one slot) bool { return one.Holder == key && one.Gate == gate })
	if i < 0 {
		return false
	}
	r.Slots[i].Gate, r.Slots[i].Seen = "", now.UnixMilli()
	return true
}

// has reports whether a session of holder runs at gate.
func (r *record) has(holder, gate string) bool {
	key := holderKey(holder)
	return slices.ContainsFunc(r.Slots, func(one slot) bool { return one.Holder == key && one.Gate == gate })
}

// undo ends a session of holder at gate that began at that moment, or says
// errNothing if there is none.
func (r *record) undo(holder, gate string, began time.Time) error {
	key := holderKey(holder)
	i := slices.IndexFunc(r.Slots, func(one slot) bool {
		return gate != "" && one.Holder == key && one.Gate == gate && one.Seen == began.UnixMilli()
	})
	if i < 0 {
		return errNothing
	}
	r.Slots[i].Gate = ""
	return nil
}

// renew moves the end of the token, if it is to be moved yet.
func (r *record) renew(now time.Time) error {
	t := r.full()
	if t.Renew == 0 {
		return fmt.Errorf("%w: it was issued without renewals", ErrNoRenewal)
	}
	end := now.Add(t.Renew).Truncate(time.Second)
	if end.After(t.RenewUntil) {
		end = t.RenewUntil
	}
	if !end.After(t.Expires) {
		return nil
	}
	r.Claims.Expires = end.Unix()
	if end.Equal(t.RenewUntil) { // it was the last
		r.Claims.Renew, r.Claims.RenewUntil = 0, 0
	}
	return nil
}

package auth

import (
	"container/list"
	"time"
)

// guardEntries bounds a guardTable; with that many it takes some 3 MiB.
const guardEntries = 1 << 14

// guardTable is a bounded table: when it is full, the entry that was got longest
// ago goes. Entries say themselves when they are not worth a place any more. The
// zero value is ready.
type guardTable[K comparable, V interface{ stale(now time.Time) bool }] struct {
	byKey map[K]*list.Element
	order list.List // of guardEntry[K, V]; the front goes first
}

type guardEntry[K comparable, V any] struct {
	key   K
	value V
}

// get returns the entry of key and makes it the last to go. If there is none,
// fresh becomes it.
func (t *guardTable[K, V]) get(key K, now time.Time, fresh V) V {
	if v, ok := t.peek(key, now); ok {
		t.order.MoveToBack(t.byKey[key])
		return v
	}
	if t.byKey == nil {
		t.byKey = map[K]*list.Element{}
	}
	for len(t.byKey) >= guardEntries {
		t.remove(t.order.Front())
	}
	t.byKey[key] = t.order.PushBack(guardEntry[K, V]{key, fresh})
	return fresh
}

// peek returns the entry of key; ok is false if there is none, or a stale one,
// which goes.
func (t *guardTable[K, V]) peek(key K, now time.Time) (v V, ok bool) {
	element := t.byKey[key]
	if element == nil {
		return v, false
	}
	if v = element.Value.(guardEntry[K, V]).value; v.stale(now) {
		t.remove(element)
		return v, false
	}
	return v, true
}

func (t *guardTable[K, V]) remove(element *list.Element) {
	delete(t.byKey, element.Value.(guardEntry[K, V]).key)
	t.order.Remove(element)
}

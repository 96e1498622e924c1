package control

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

const (
	// pageBytes is what a list may come to in one answer, which is one line.
	pageBytes = 48 << 10
	// maxPage is the most entries of one answer.
	maxPage = 500
)

// Paging are the arguments of a list that may be long.
type Paging struct {
	After string `json:"after,omitempty" doc:"go on behind the last answer: its next"`
	Limit int    `json:"limit,omitempty" doc:"how many at most (500)"`
}

// PageOf is for commands that others add and whose lists may be long: it takes the
// entries behind p.After, in the order of their keys, as many as one answer can
// hold. next is the After of the next page, "" for the last. A key is different
// for each entry, and stays the same while others come and go.
func PageOf[T any](p Paging, all []T, key func(T) string) (page []T, next string, err error) {
	return pageOf(p, all, key)
}

// pageOf takes the entries behind p.After, in the order of their keys, as many as
// one answer can hold. next is the After of the next page, "" for the last. key
// is different for each entry, and stays the same while others come and go.
func pageOf[T any](p Paging, all []T, key func(T) string) (page []T, next string, err error) {
	if p.Limit < 0 || p.Limit > maxPage {
		return nil, "", Wrong("Parameter 'limit' is from 1 to %d", maxPage)
	}
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	from, _ := slices.BinarySearchFunc(all, p.After, func(one T, after string) int {
		if key(one) <= after {
			return -1
		}
		return 1
	})
	if p.After == "" {
		from = 0
	}
	limit, size := cmp.Or(p.Limit, maxPage), 0
	page = []T{}
	for _, one := range all[from:] {
		b, err := json.Marshal(one)
		if err != nil {
			return nil, "", fmt.Errorf("control: %w", err)
		}
		if size += len(escaped(b)) + 1; len(page) == limit || len(page) > 0 && size > pageBytes {
			return page, key(page[len(page)-1]), nil
		}
		page = append(page, one)
	}
	return page, "", nil
}

// Page is what one of several processes has answered: some entries of its list,
// and the After of its next page.
type Page[T any] struct {
	Entries []T
	Next    string
}

// MergePages makes one page of those that several processes have returned to the
// same Paging with that limit: as many entries as one answer can hold. Its Next
// holds for each of the processes. key is that of the pages.
func MergePages[T any](limit int, pages []Page[T], key func(T) string) Page[T] {
	var merged Page[T]
	for _, p := range pages {
		merged.Entries = append(merged.Entries, p.Entries...)
		if p.Next != "" && (merged.Next == "" || p.Next < merged.Next) {
			merged.Next = p.Next
		}
	}
	if merged.Next != "" { // what lies behind comes again
		merged.Entries = slices.DeleteFunc(merged.Entries, func(one T) bool { return key(one) > merged.Next })
	}
	// What each of them could say in one answer may be too much for ours. The
	// limit was found to be one, and what came as JSON can be written as such.
	page, next, _ := pageOf(Paging{Limit: max(min(limit, maxPage), 0)}, merged.Entries, key)
	merged.Entries = page
	if next != "" {
		merged.Next = next
	}
	return merged
}

// ordered is a number as a text that sorts as the number does.
func ordered(n int64) string {
	text := strconv.FormatInt(max(n, 0), 36)
	return strconv.Itoa(10+len(text)) + text
}

// escaped is JSON in ASCII alone, in one line. What is not ASCII can only stand
// in its strings, and white space that breaks lines only between its tokens.
func escaped(b []byte) []byte {
	clean := true
	for _, c := range b {
		clean = clean && c >= ' ' && c < 0x7f
	}
	if clean {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/4)
	for _, r := range string(b) {
		switch {
		case r < ' ':
			out = append(out, ' ')
		case r < 0x7f:
			out = append(out, byte(r))
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

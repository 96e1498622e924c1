package gateway

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// Whoever is told gets notices in order and one at a time; where it takes its
// time, the oldest of those that wait are lost, and no goroutine is left at the
// end.
func TestTellingInOrder(t *testing.T) {
	var b board
	var work sync.WaitGroup
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	var got []string
	b.tell(func(n Notice) {
		got = append(got, n.Words)
		begun <- struct{}{}
		<-goOn
	}, func(f func()) { work.Go(f) })
	b.post(Notice{Kind: NoticeMessage, Words: "first"})
	<-begun
	want := []string{"first"}
	for i := range 3 * noticeQueue {
		words := fmt.Sprint(i)
		b.post(Notice{Kind: NoticeMessage, Words: words})
		if i >= 2*noticeQueue {
			want = append(want, words)
		}
	}
	go func() {
		for range begun {
		}
	}()
	close(goOn)
	work.Wait()
	close(begun)
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	b.close()
	b.post(Notice{Kind: NoticeMessage, Words: "too late"})
	work.Wait()
	if len(got) != len(want) {
		t.Errorf("told %q after the end", got[len(want):])
	}
}

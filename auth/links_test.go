package auth

import (
	"testing"
	"time"
)

func TestLinksAreRedeemedOnce(t *testing.T) {
	var l Links
	ticket := l.New(time.Minute)
	secret, ok := l.Redeem(ticket)
	if !ok || secret == "" || secret == ticket {
		t.Fatalf("Redeem = %q, %v", secret, ok)
	}
	if _, again := l.Redeem(ticket); again {
		t.Error("a ticket was redeemed twice")
	}
	if !l.Valid(secret) {
		t.Error("the log-in it opened is not valid")
	}
	for _, wrong := range []string{"", ticket, secret + "x"} {
		if l.Valid(wrong) {
			t.Errorf("Valid(%q)", wrong)
		}
	}
}

func TestLinksExpire(t *testing.T) {
	var l Links
	if _, ok := l.Redeem(l.New(-time.Second)); ok {
		t.Error("an old ticket was redeemed")
	}
	if _, ok := l.Redeem("never made"); ok {
		t.Error("a made-up ticket was redeemed")
	}
}

func TestLinksAreBounded(t *testing.T) {
	var l Links
	first := l.New(time.Minute)
	for range maxTickets {
		l.New(time.Minute)
	}
	if len(l.tickets.until) > maxTickets {
		t.Errorf("%d tickets are kept", len(l.tickets.until))
	}
	if _, ok := l.Redeem(first); ok {
		t.Error("the oldest ticket did not make room")
	}
}

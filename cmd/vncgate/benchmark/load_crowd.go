package main

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// crowdSize is how many TLS handshakes have been begun at any time.
const crowdSize = 1000

// crowd begins TLS handshakes and goes no further: the gateway computes its
// answer, and waits. Whoever is sent away comes again.
func crowd(j *job, o *outcome) error {
	hello, err := helloOf(&tls.Config{ServerName: "bench.example", MinVersion: tls.VersionTLS13})
	if err != nil {
		return err
	}
	var begun atomic.Int64
	var over atomic.Bool
	for i := range crowdSize {
		go func() {
			d := net.Dialer{Timeout: dialTimeout, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(j.Source+i%churners))}}
			for !over.Load() {
				c, err := d.Dial("tcp", j.At.Address)
				if err != nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				_ = c.SetDeadline(time.Now().Add(time.Second))
				if _, err := c.Write(hello); err == nil {
					begun.Add(1)
					_, _ = io.Copy(io.Discard, c)
				}
				_ = c.Close()
			}
		}()
	}
	s, err := j.window(&begun, nil)
	if err != nil {
		return err
	}
	over.Store(true)
	o.Values[inSessions] = float64(s.passed) / s.took.Seconds()
	return nil
}

// helloOf is what a TLS client says first.
func helloOf(config *tls.Config) ([]byte, error) {
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		_ = tls.Client(near, config).Handshake()
		_ = near.Close()
	}()
	b := make([]byte, 4096)
	n, err := far.Read(b)
	return b[:n], err
}

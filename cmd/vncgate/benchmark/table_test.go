package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func measured(subject, name, via string, values ...float64) []measurement {
	var list []measurement
	for i, v := range values {
		list = append(list, measurement{Subject: subject, scenario: scenario{name, via, 1}, Round: i + 1, Values: map[string]float64{inMBs: v, inCPU: 1 / v, "asked": 1}})
	}
	return list
}

func TestTable(t *testing.T) {
	list := append(measured("websockify", sceneDown, viaWS, 100, 90, 110), measured("vncgate", sceneDown, viaWS, 150, 160, 170)...)
	list = append(list, measured("haproxy", sceneDown, viaTLS, 200)...)
	list = append(list, measured("nginx", sceneDown, viaTLS, 100)...)
	list = append(list, measured("vncgate", sceneDown, viaTLS, 290)...)
	list = append(list, measured("vncgate", sceneDown, viaX509, 310)...)
	list = append(list, measurement{Subject: "stunnel", Error: "it fell over"})
	var out bytes.Buffer
	printTable(&out, list)
	for _, want := range []string{
		"160 ±6% ×1.60", "100 ±10%", "290 ×1.45",
		"goal of vncgate, down ws 1, MB/s: at least 1.4 × websockify = 140, is 160: met",
		"goal of vncgate, down tls 1, MB/s: at least 1.5 × haproxy = 300, is 290: not met",
		"goal of vncgate, down x509 1, MB/s: at least 1.5 × haproxy = 300, is 310: met",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, not := range []string{"asked", "stunnel", "goal of haproxy"} {
		if strings.Contains(out.String(), not) {
			t.Errorf("%q is in the table", not)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values        []float64
		median, noise float64
	}{{[]float64{3}, 3, 0}, {[]float64{1, 3}, 2, 0.5}, {[]float64{9, 1, 2}, 2, 2}, {[]float64{0, 0}, 0, 0}} {
		c := cell{test.values}
		if c.median() != test.median || c.noise() != test.noise {
			t.Errorf("%v: median %v, noise %v", test.values, c.median(), c.noise())
		}
	}
}

func TestProcessFigures(t *testing.T) {
	pid := os.Getpid()
	if _, err := stat(pid); err != nil {
		t.Skip("no /proc here:", err)
	}
	before := cpuOf(pid)
	for end := time.Now().Add(10 * time.Second); cpuOf(pid) == before; {
		if time.Now().After(end) {
			t.Fatal("ten seconds of work take no processor time")
		}
	}
	if pss := pssOf(pid); pss < 1<<20 {
		t.Errorf("this process has %d bytes", pss)
	}
	if n := threadsOf(pid); n < 1 {
		t.Errorf("this process has %d threads", n)
	}
	if pssOf(0) != 0 || cpuOf(0) != 0 {
		t.Error("no process has figures")
	}
}

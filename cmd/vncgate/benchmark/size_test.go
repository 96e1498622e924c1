package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestSizesInTheDocs holds their table to the calculation.
func TestSizesInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"-size", "1000000"}, nil, &out, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), out.String()) {
		t.Errorf("docs/operating.md has another table than 'vncgate-bench -size 1000000' prints:\n%s", out.String())
	}
}

func TestWhatRunsOut(t *testing.T) {
	c := cost{idle: 1000, perByte: 1e-9, perLogIn: 1e-3}
	m := machineSize{cores: 2, memory: 1e9, descriptors: 1 << 20, used: 0.5}
	for _, test := range []struct {
		first string
		m     machineSize
		u     use
		n     int
	}{
		{"memory", m, use{}, 500000},
		{"cores", m, use{active: 0.1, bytes: 1e6}, 10000},
		{"cores", m, use{logIns: 36}, 100000},
		{"descriptors", machineSize{cores: 2, memory: 1e9, descriptors: 20000, used: 0.5}, use{}, 9500},
	} {
		if n, first := c.most(test.m, test.u); n != test.n || first != test.first {
			t.Errorf("%+v: %d, %s first; want %d, %s", test.u, n, first, test.n, test.first)
		}
		cores, memory, files := c.need(float64(test.n), test.m, test.u)
		if most := max(cores, memory, files); most > 1 || most < 0.999 {
			t.Errorf("%d sessions take %v of the machine", test.n, most)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %q", n, got)
		}
	}
}

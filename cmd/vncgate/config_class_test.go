package main

import (
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
)

const classesHead = `
listeners: [{address: ":5900", target: desk, class: %L}]
targets: {desk: {address: "localhost:5901", class: %T}}
policy: [{who: "*", targets: "*", allow: [view], class: %P}]
classes: {bulk: {sessions: 3, handshakes: 2, buffers: 8MiB, bandwidth: 50MB/s, park: 5s}}
`

func classesConfig(listener, target, rule string) string {
	return strings.NewReplacer("%L", listener, "%T", target, "%P", rule).Replace(classesHead)
}

func TestClassesInTheConfiguration(t *testing.T) {
	cfg, err := parseConfig([]byte(classesConfig("bulk", "default", "bulk")))
	if err != nil {
		t.Fatal(err)
	}
	want := gateway.Class{Name: "bulk", Sessions: 3, Handshakes: 2, Buffers: 8 << 20, Bandwidth: 50e6, Park: 5 * time.Second}
	if list := cfg.classList(); len(list) != 1 || list[0].Name != want.Name || list[0].Sessions != want.Sessions ||
		list[0].Handshakes != want.Handshakes || list[0].Buffers != want.Buffers || list[0].Bandwidth != want.Bandwidth || list[0].Park != want.Park {
		t.Errorf("%+v, want %+v", list, want)
	}
	for _, bad := range []string{
		classesConfig("bulky", "bulk", "bulk"), classesConfig("bulk", "bulky", "bulk"), classesConfig("bulk", "bulk", "bulky"),
		strings.Replace(classesConfig("bulk", "bulk", "bulk"), "sessions: 3", "sessions: -3", 1),
		strings.Replace(classesConfig("bulk", "bulk", "bulk"), "sessions: 3", "nice: 3", 1),
	} {
		if _, err := parseConfig([]byte(bad)); err == nil || !strings.Contains(err.Error(), "class") {
			t.Errorf("%v of%s", err, bad)
		}
	}
}

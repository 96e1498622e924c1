package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vncgate/rfb/display/video"
)

// TestMain lets the scripts run this very program as "vncgate".
func TestMain(m *testing.M) {
	if code, mine := video.Worker(); mine {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){
		"vncgate": func() { os.Exit(run()) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/config")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else every run takes a second more
			return nil
		},
	})
}

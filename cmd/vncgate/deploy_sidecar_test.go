package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A sidecar is told all it has to know by its environment, and asked for its
// health by the program itself.
func TestSidecarByItsEnvironment(t *testing.T) {
	at := displaysAt(t, "one")
	admin := "unix:" + t.TempDir() + "/admin"
	cmd := program(t, "serve")
	cmd.Env = append(cmd.Env, "VNCGATE_LISTEN=127.0.0.1:0", fmt.Sprint("VNCGATE_TARGET=", at[0]), "VNCGATE_ADMIN="+admin)
	var output strings.Builder
	cmd.Stderr = &output
	must(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	}()
	for _, ask := range [][]string{nil, {"--ready"}, {"--target", "display"}} {
		eventually(t, fmt.Sprint("good health of ", ask), func() bool {
			out, err := program(t, append([]string{"health", "--admin", admin}, ask...)...).CombinedOutput()
			if err != nil {
				t.Logf("%v: %s", err, out)
			}
			return err == nil
		})
	}
}

package layers_test

import (
	"context"
	"io"
	"os/exec"
	"testing"
	"time"

	"vncgate/layers"
)

// A command that inetd could start writes to its standard input.
func TestCommandSpeaksBothWaysOnStandardInput(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	c, err := layers.DialCommand(context.Background(), []string{"sh", "-c", "read line; echo got $line >&0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte("this\n")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "got this\n" {
		t.Errorf("read %q, %v", got, err)
	}
}

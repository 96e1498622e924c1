//go:build unix

package layers_test

import (
	"context"
	"io"
	"testing"

	"vncgate/layers"
)

func TestCommandEchoes(t *testing.T) {
	c, err := layers.DialCommand(context.Background(), []string{"cat"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := layers.CloseWrite(c); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if string(got) != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

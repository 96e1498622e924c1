package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// On standard error is our log and nothing else: the library for Redis would
// write there what it meets.
func TestRedisWritesNoLines(t *testing.T) {
	cmd := program(t, "websockify", "--token-plugin=TokenRedis", "--token-source="+closedPort(t), "127.0.0.1:0")
	errOut, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(errOut)
	address := ""
	for address == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("it does not listen: %q, %v", line, err)
		}
		if found := regexp.MustCompile(`msg=listening address=(\S+)`).FindStringSubmatch(line); found != nil {
			address = found[1]
		}
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/?token=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Upgrade", "websocket")
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusBadGateway {
		t.Errorf("%v, %v", answer, err)
	}
	if err == nil {
		_ = answer.Body.Close()
	}
	_ = cmd.Process.Signal(os.Interrupt)
	said, err := io.ReadAll(lines)
	if err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if !bytes.Contains(said, []byte("connection refused")) {
		t.Errorf("the log does not tell what happened: %s", said)
	}
	for line := range strings.Lines(string(said)) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("not a line of the log: %q", line)
		}
	}
}

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// A proof is a row of the security matrix: who proved what to whom, as the
// gateway's log has it.
type proof struct{ viewer, front, display, back, result string }

// proofs are the rows of the matrix, in the order they were run.
type proofs struct {
	mu   sync.Mutex
	rows []proof
}

func (p *proofs) add(row proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows = append(p.rows, row)
}

// String is the table as markdown.
func (p *proofs) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	b.WriteString("| viewer | front | display | back | result |\n|---|---|---|---|---|\n")
	for _, r := range p.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.viewer, r.front, r.display, r.back, r.result)
	}
	return b.String()
}

// publish logs the table, and writes it to the file that VNCGATE_MATRIX_OUT
// names.
func (p *proofs) publish(t *testing.T) {
	t.Logf("\n%s", p)
	if path := os.Getenv("VNCGATE_MATRIX_OUT"); path != "" {
		if err := os.WriteFile(path, []byte(p.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// packaging is what a Debian version has around the program's own.
var packaging = regexp.MustCompile(`^[0-9]+:|[+~-].*$`)

// upstream is the program's own version.
func upstream(debian string) string { return packaging.ReplaceAllString(debian, "") }

// named is a viewer with its version, as in the table.
func (k viewerKind) named() string {
	switch k.label {
	case ownPage.label:
		return "noVNC " + k.version() + " (" + chromiumVersion() + ")"
	case noVNC.label:
		return "noVNC " + upstream(k.version()) + " (" + chromiumVersion() + ")"
	}
	return k.label + " " + upstream(k.version())
}

func (d *display) named() string {
	what, how, special := strings.Cut(d.label, ", ")
	name, _, _ := strings.Cut(what, " ")
	name += " " + upstream(d.version)
	if special {
		name += ", " + how
	}
	return name
}

var chromiumVersion = sync.OnceValue(func() string {
	out, _ := exec.Command("chromium", "--version").Output()
	words := strings.Fields(string(out))
	if len(words) < 2 {
		return "Chromium"
	}
	major, _, _ := strings.Cut(words[1], ".")
	return "Chromium " + major
})

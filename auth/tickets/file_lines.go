package tickets

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// tokenFile is one file as it was read.
type tokenFile struct {
	info   fs.FileInfo
	at     time.Time // when it was read
	err    error     // it could not be
	hash   [sha256.Size]byte
	tokens map[string]string // "": the last line with the token has no good address
	wrong  []error           // lines that cannot be used
}

// readTokens reads and parses a regular file.
func readTokens(path string) *tokenFile {
	t := &tokenFile{at: time.Now()}
	text, info, err := readRegular(os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0))
	t.info = info
	if err != nil {
		t.err = fmt.Errorf("tickets: token file %s: %w", path, bare(err))
		return t
	}
	t.hash = sha256.Sum256(text)
	t.tokens, t.wrong = parseLines(path, text)
	return t
}

// readRegular reads a file that was just opened, if it is a regular one. A
// pipe would have to be opened without waiting for its other end.
func readRegular(f *os.File, err error) ([]byte, fs.FileInfo, error) {
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, info, errors.New("not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, info, err
	}
	if len(text) > maxFileSize {
		return nil, info, fmt.Errorf("larger than %d bytes", maxFileSize)
	}
	return text, info, nil
}

// bare is err without the path, which may be a token.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// parseLines reads the grammar of token files. A line whose token is there but
// whose address is no good takes the token away from the lines before it: it
// was meant to be the last.
func parseLines(path string, text []byte) (tokens map[string]string, wrong []error) {
	tokens = map[string]string{}
	bad := 0
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\ufeff"))) {
		number++
		token, address, err := parseLine(string(bytes.TrimRight(line, "\r\n")))
		if token != "" {
			tokens[token] = address
		}
		if err == nil {
			continue
		}
		if bad++; bad <= maxReports {
			wrong = append(wrong, fmt.Errorf("tickets: token file %s: line %d: %w", path, number, err))
		}
	}
	if more := bad - maxReports; more > 0 {
		wrong = append(wrong, fmt.Errorf("tickets: token file %s: %d more lines cannot be used", path, more))
	}
	return tokens, wrong
}

// parseLine returns no token for a line that has none: blank ones, comments,
// and with an error those that are not understood.
func parseLine(line string) (token, address string, err error) {
	if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
		return "", "", nil
	}
	if len(line) > maxLine {
		return "", "", fmt.Errorf("longer than %d bytes", maxLine)
	}
	end := separator(line)
	if end < 0 {
		return "", "", errors.New("write it as `token: host:port`, with a space after the first colon")
	}
	token, value := line[:end], line[end+2:]
	if token == "" {
		return "", "", errors.New("the token before the colon is missing")
	}
	if separator(value) >= 0 {
		return "", "", errors.New("there are two colons with a space behind them; write it as `token: host:port`")
	}
	address, err = ParseAddress(strings.TrimSpace(value))
	if err != nil && strings.Contains(value, "#") {
		err = fmt.Errorf("%w (a comment needs a line of its own)", err)
	}
	return token, address, err
}

// separator is where a colon stands before a space or tab, -1 for nowhere.
func separator(s string) int {
	space, tab := strings.Index(s, ": "), strings.Index(s, ":\t")
	if space < 0 || tab >= 0 && tab < space {
		return tab
	}
	return space
}

package auth

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The users file is text, a user a line, four or five fields between blanks:
//
//	name  groups  argon2id hash  SCRAM-SHA-256 keys  SCRAM-SHA-512 keys
//
//	# who may come in
//	alice  ops,dev  $argon2id$v=19$m=19456,t=2,p=1$…$…  SCRAM-SHA-256$65536:…$…:…  SCRAM-SHA-512$65536:…$…:…
//	build  -        -                                   SCRAM-SHA-256$4096:…$…:…
//	carol  ops      -                                   -
//
// "-" stands for nothing, and so does a fifth field that is not there: build can
// prove a password by SCRAM-SHA-256 only (its keys may come from PostgreSQL),
// carol by none (a certificate names her, the file knows her groups). Blank lines and lines that begin with # are kept by edits.
const (
	maxUsersFile = 16 << 20 // bytes of the whole file
	maxUserLine  = 8 << 10  // bytes of a line
	maxGroups    = 64       // groups of one user
)

// record is what the file knows of a user.
type record struct {
	name   string
	groups []string
	hash   *hash     // nil: no PLAIN
	scram  scramKeys // nil: not this SCRAM
}

func (r *record) line() string {
	fields := []string{r.name, "-", "-", "-"}
	if len(r.groups) > 0 {
		fields[1] = strings.Join(r.groups, ",")
	}
	if r.hash != nil {
		fields[2] = r.hash.String()
	}
	if k := r.scram[scram256]; k != nil {
		fields[3] = formatScramKeys(scram256, *k)
	}
	if k := r.scram[scram512]; k != nil {
		fields = append(fields, formatScramKeys(scram512, *k))
	}
	return strings.Join(fields, " ")
}

// parseUsers reads a whole file. Errors name the line, and nothing of the
// secrets in it.
func parseUsers(text []byte) ([]*record, error) {
	var records []*record
	seen := map[string]int{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		r, err := parseUserLine(string(bytes.TrimRight(line, "\r\n")))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if r == nil {
			continue
		}
		if before, ok := seen[r.name]; ok {
			return nil, fmt.Errorf("line %d: user %q is on line %d already", number, r.name, before)
		}
		seen[r.name] = number
		records = append(records, r)
	}
	return records, nil
}

// parseUserLine returns nil for a line without a user.
func parseUserLine(line string) (*record, error) {
	if len(line) > maxUserLine {
		return nil, fmt.Errorf("longer than %d bytes", maxUserLine)
	}
	fields := strings.Fields(line)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return nil, nil
	}
	if len(fields) != 4 && len(fields) != 5 {
		return nil, fmt.Errorf("%d fields, expected 4 or 5: name, groups, argon2id hash, SCRAM-SHA-256 keys, SCRAM-SHA-512 keys (\"-\" for none)", len(fields))
	}
	r := &record{name: fields[0]}
	if err := CheckName(r.name); err != nil {
		return nil, trimPackage(err)
	}
	var err error
	if r.groups, err = parseGroups(fields[1]); err != nil {
		return nil, err
	}
	if fields[2] != "-" {
		h, err := parseHash(fields[2])
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", r.name, err)
		}
		r.hash = &h
	}
	for i, field := range fields[3:] {
		if field == "-" {
			continue
		}
		k, err := parseScramKeys(scramKind(i), field)
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", r.name, err)
		}
		r.scram[i] = &k
	}
	return r, nil
}

func parseGroups(field string) ([]string, error) {
	if field == "-" {
		return nil, nil
	}
	groups := strings.Split(field, ",")
	return groups, checkGroups(groups)
}

func checkGroups(groups []string) error {
	if len(groups) > maxGroups {
		return fmt.Errorf("more than %d groups", maxGroups)
	}
	for i, g := range groups {
		if err := CheckName(g); err != nil {
			return fmt.Errorf("group: %w", trimPackage(err))
		}
		if slices.Contains(groups[:i], g) {
			return fmt.Errorf("group %q twice", g)
		}
	}
	return nil
}

// trimPackage drops the "auth: " of an error that another of this package's
// will begin with.
func trimPackage(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "auth: ")) }

package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// Limits on what a users file and a peer may bring.
const (
	MaxNameLen     = 64   // bytes of the name of a user or a group
	MaxPasswordLen = 1024 // bytes of a password, before and after SASLprep
)

// CheckName says whether name may be that of a user or a group: 1 to 64 bytes
// of letters, digits and the signs . _ - @ + (a letter or digit first), and
// unchanged by SASLprep (RFC 4013), so that a name has one spelling. That
// leaves out all white space, control characters, commas, colons and percent
// signs, which the users file, SCRAM (RFC 5802, 5.1), policies and URLs give
// meanings of their own.
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameLen {
		return fmt.Errorf("auth: a name has 1 to %d bytes, not %d", MaxNameLen, len(name))
	}
	if !utf8.ValidString(name) {
		return errors.New("auth: a name must be UTF-8")
	}
	for i, r := range name {
		if !nameRune(r, i == 0) {
			return fmt.Errorf("auth: name %q: %q is not allowed there (letters, digits and . _ - @ + are; a letter or digit comes first)", name, r)
		}
	}
	if prepared, err := stringprep.SASLprep.Prepare(name); err != nil || prepared != name {
		return fmt.Errorf("auth: name %q is changed or forbidden by SASLprep (RFC 4013): write it in plain, composed letters", name)
	}
	return nil
}

func nameRune(r rune, first bool) bool {
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return true
	}
	return !first && (unicode.IsMark(r) || strings.ContainsRune("._-@+", r))
}

// prepareName gives the spelling under which a name sent by a peer is looked
// up; "" for one that no user can have.
func prepareName(name string) string {
	if len(name) > 4*MaxNameLen {
		return ""
	}
	prepared, err := stringprep.SASLprep.Prepare(name)
	if err != nil {
		return ""
	}
	return prepared
}

// preparePassword applies SASLprep to password, and takes it as it is where
// SASLprep cannot (emoji, bytes that are not UTF-8), as PostgreSQL does: the
// peer will have had to do the same.
func preparePassword(password string) (string, error) {
	if len(password) > MaxPasswordLen {
		return "", fmt.Errorf("auth: a password has at most %d bytes", MaxPasswordLen)
	}
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil {
		prepared = password
	}
	switch {
	case prepared == "":
		return "", errors.New("auth: the password is empty")
	case len(prepared) > MaxPasswordLen:
		return "", fmt.Errorf("auth: a password has at most %d bytes", MaxPasswordLen)
	case strings.ContainsRune(prepared, 0):
		return "", errors.New("auth: a password cannot contain a NUL byte")
	}
	return prepared, nil
}

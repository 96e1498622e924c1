package control

import (
	"encoding/json"
	"strings"
)

// maxID is how long an id may be: it comes back in a line that is bounded.
const maxID = 4 << 10

// request is what a client wants: a command, or an answer to what was none.
type request struct {
	name string
	oob  bool            // exec-oob
	args json.RawMessage // nil: none
	id   json.RawMessage // as it came; nil: none
	err  error           // why it is no command
	done chan struct{}   // closed when it was answered
}

func generic(desc string) error { return &Error{Class: ClassGeneric, Desc: desc} }

// parseRequest takes a value apart. What is wrong with it stands in err, beside
// the id if that could be read.
func parseRequest(value []byte, oob bool) *request {
	r := &request{done: make(chan struct{})}
	if len(value) == 0 || value[0] != '{' {
		r.err = generic("QMP input must be a JSON object")
		return r
	}
	list, err := members(value)
	if err != nil {
		r.err = generic(errDuplicate.Error())
		return r
	}
	for _, m := range list {
		if m.name == "id" && len(m.value) <= maxID {
			r.id = m.value
		}
	}
	for _, m := range list {
		if r.err = r.take(m, oob); r.err != nil {
			return r
		}
	}
	if r.name == "" {
		r.err = generic("QMP input lacks member 'execute'")
	}
	return r
}

// take takes one member of a request.
func (r *request) take(m member, oob bool) error {
	switch {
	case m.name == "id":
		if r.id == nil {
			return generic("QMP input member 'id' is too long")
		}
	case m.name == "arguments":
		if r.args = m.value; m.value[0] != '{' {
			return generic("QMP input member 'arguments' must be an object")
		}
	case m.name == "execute" || m.name == "exec-oob" && oob:
		if r.name != "" {
			return generic("QMP input member 'execute' clashes with 'exec-oob'")
		}
		r.oob = m.name == "exec-oob"
		if json.Unmarshal(m.value, &r.name) != nil || m.value[0] != '"' {
			return generic("QMP input member '" + m.name + "' must be a string")
		}
		if r.name == "" {
			return &Error{Class: ClassCommand, Desc: "The command '' has not been found"}
		}
	default:
		return generic("QMP input member '" + strings.ToValidUTF8(m.name[:min(len(m.name), 100)], "") + "' is unexpected")
	}
	return nil
}

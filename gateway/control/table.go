package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Role is what somebody may do with a gateway. The higher include the lower.
type Role int

// The roles.
const (
	Nobody   Role = iota
	Viewer        // may look: the query commands, and events
	Operator      // may steer sessions
	Admin         // may steer the gateway
)

var roleNames = []string{"nobody", "viewer", "operator", "admin"}

// String is the role's name: nobody, viewer, operator or admin.
func (r Role) String() string {
	if r < Nobody || r > Admin {
		return roleNames[Nobody]
	}
	return roleNames[r]
}

// ParseRole reads viewer, operator or admin.
func ParseRole(name string) (Role, error) {
	if i := slices.Index(roleNames[1:], name); i >= 0 {
		return Role(i + 1), nil
	}
	return Nobody, fmt.Errorf("control: no role %q; there are viewer, operator and admin", name)
}

// Command is one thing that a gateway can be told or asked, by whatever face:
// the control socket, HTTP, a command line.
type Command struct {
	// Name is that of the protocol: "session-kill".
	Name string
	// OOB says that it may be run out of band: it takes no time, and waits for
	// nothing that another command could hold up.
	OOB bool
	// Role is the least that may run it.
	Role Role
	// Doc says in one sentence what it does.
	Doc string
	// Args and Returns are values of the Go types that are decoded and returned,
	// for Fields and Schema; an empty struct is nothing.
	Args, Returns any
	// Run does it. args has the type of Args. Its errors are told to whoever
	// called: they say what to do next and hold no secret.
	Run func(ctx context.Context, call *Call, args any) (any, error)
}

// New makes a command of a function over typed arguments: structs whose fields
// have the tags that Fields reads.
func New[A, R any](name string, role Role, doc string, run func(ctx context.Context, call *Call, args A) (R, error)) Command {
	return Command{
		Name: name, Role: role, Doc: doc, Args: *new(A), Returns: *new(R),
		Run: func(ctx context.Context, call *Call, args any) (any, error) {
			return run(ctx, call, *args.(*A))
		},
	}
}

// OutOfBand is c, which may be run out of band.
func (c Command) OutOfBand() Command {
	c.OOB = true
	return c
}

// Call is who runs a command, and how.
type Call struct {
	// Role is what the caller may do.
	Role Role
	// Actor names the caller for the audit: "uid:1000", a token's name.
	Actor string
	// OOB says that it is called out of band.
	OOB bool
	// Files holds the descriptors that the caller has passed; nil where the
	// way it came by has none.
	Files *Files
}

// Classes of Error, as QMP has them.
const (
	ClassGeneric  = "GenericError"
	ClassCommand  = "CommandNotFound"
	ClassNotFound = "DeviceNotFound" // no such session, target, listener
)

// Sentinels that faces beside the control socket have statuses of their own for.
var (
	ErrForbidden   = errors.New("control: not allowed")
	ErrUnavailable = errors.New("control: not available here")
	ErrArguments   = errors.New("control: wrong arguments")
)

// Error is an answer that is not the one that was asked for.
type Error struct {
	Class string `json:"class"` // one of the classes above
	Desc  string `json:"desc"`  // for people: what is wrong, and what to do
	Err   error  `json:"-"`     // the cause, or a sentinel; nil
}

func (e *Error) Error() string { return e.Desc }
func (e *Error) Unwrap() error { return e.Err }

// NotFound says that what args name does not exist.
func NotFound(format string, args ...any) error {
	return &Error{Class: ClassNotFound, Desc: fmt.Sprintf(format, args...)}
}

// Wrong says that the arguments do not go together.
func Wrong(format string, args ...any) error {
	return &Error{Class: ClassGeneric, Desc: fmt.Sprintf(format, args...), Err: ErrArguments}
}

// ErrorOf is err as it is told: an *Error as it is, anything else as a
// GenericError.
func ErrorOf(err error) *Error {
	if told, ok := errors.AsType[*Error](err); ok {
		return told
	}
	desc := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		desc = "it took too long: " + desc
	case errors.Is(err, context.Canceled):
		desc = "it was given up before it was done"
	}
	return &Error{Class: ClassGeneric, Desc: desc, Err: err}
}

// Table is the commands there are. It is filled before it is used, and not
// changed afterwards.
type Table struct {
	list []Command
	by   map[string]int
	// Done is told of every command that changes something, once it was run or the
	// caller was told that it may not run it (ErrForbidden); nil: nobody is. It must
	// return at once.
	Done func(call *Call, name string, args json.RawMessage, err error)
}

// Add puts commands into the table. A name that is there is replaced.
func (t *Table) Add(commands ...Command) {
	if t.by == nil {
		t.by = map[string]int{}
	}
	for _, c := range commands {
		if i, ok := t.by[c.Name]; ok {
			t.list[i] = c
			continue
		}
		t.by[c.Name] = len(t.list)
		t.list = append(t.list, c)
	}
}

// Commands returns the commands that a role may run, in the order of the table.
func (t *Table) Commands(role Role) []Command {
	return slices.DeleteFunc(slices.Clone(t.list), func(c Command) bool { return c.Role > role })
}

// Find returns the command of a name.
func (t *Table) Find(name string) (Command, bool) {
	i, ok := t.by[name]
	if !ok {
		return Command{}, false
	}
	return t.list[i], true
}

// Run runs a command with arguments as a JSON object, nil or empty for none. The
// result marshals to JSON. ctx ends it early. The error is made for whoever
// calls; ErrorOf has its class.
func (t *Table) Run(ctx context.Context, call *Call, name string, args json.RawMessage) (any, error) {
	c, ok := t.Find(name)
	if !ok {
		return nil, &Error{Class: ClassCommand, Desc: fmt.Sprintf("The command %s has not been found; query-commands lists those there are", name)}
	}
	if call.Role < c.Role {
		err := &Error{Class: ClassGeneric, Err: ErrForbidden,
			Desc: fmt.Sprintf("%s is for role %s, and yours is %s; control: in the gateway's configuration says who has which", name, c.Role, call.Role)}
		t.tell(c, call, args, err)
		return nil, err
	}
	if call.OOB && !c.OOB {
		return nil, &Error{Class: ClassGeneric, Desc: fmt.Sprintf("The command %s does not support OOB; use execute", name)}
	}
	decoded, err := decodeArgs(c.Args, args)
	if err != nil {
		return nil, err
	}
	result, err := c.Run(ctx, call, decoded)
	t.tell(c, call, args, err)
	if err != nil {
		return nil, err
	}
	return result, nil
}

func (t *Table) tell(c Command, call *Call, args json.RawMessage, err error) {
	if t.Done != nil && c.Role > Viewer {
		t.Done(call, c.Name, args, err)
	}
}

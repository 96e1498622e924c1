package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"vncgate/gateway/control"
)

type echoArgs struct {
	more
	Name  string           `json:"name" doc:"what to say" enum:"a,b"`
	Count int              `json:"count,omitempty" doc:"how often"`
	List  []string         `json:"list,omitempty" doc:"more of it"`
	Wait  control.Duration `json:"wait,omitempty" doc:"before"`
	Loud  bool             `json:"loud,omitempty" doc:"or not"`
}

type more struct {
	ID string `json:"id,omitempty" doc:"of what"`
}

func echoTable() *control.Table {
	t := &control.Table{}
	t.Add(
		control.New("echo", control.Viewer, "Say it again", func(_ context.Context, _ *control.Call, a echoArgs) (echoArgs, error) { return a, nil }),
		control.New("steer", control.Operator, "Do something", func(context.Context, *control.Call, struct{}) (struct{}, error) { return struct{}{}, nil }).OutOfBand(),
		control.New("fail", control.Admin, "Do nothing", func(context.Context, *control.Call, struct{}) (struct{}, error) {
			return struct{}{}, errors.New("it broke")
		}),
	)
	return t
}

func TestTableRunsWhatItKnows(t *testing.T) {
	table := echoTable()
	got, err := table.Run(t.Context(), &control.Call{Role: control.Viewer}, "echo", json.RawMessage(`{"name":"a","count":3,"list":["x"],"wait":"90s","loud":true}`))
	want := echoArgs{more{}, "a", 3, []string{"x"}, control.Duration(90 * time.Second), true}
	if err != nil || got.(echoArgs).Wait != want.Wait || got.(echoArgs).Count != 3 || !got.(echoArgs).Loud {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTableRefuses(t *testing.T) {
	table := echoTable()
	for _, tt := range []struct {
		role       control.Role
		oob        bool
		name, args string
		class, say string
		is         error
	}{
		{control.Admin, false, "dance", ``, control.ClassCommand, "The command dance has not been found", nil},
		{control.Admin, true, "echo", `{"name":"a"}`, control.ClassGeneric, "does not support OOB", nil},
		{control.Viewer, false, "steer", ``, control.ClassGeneric, "is for role operator, and yours is viewer", control.ErrForbidden},
		{control.Nobody, false, "echo", `{"name":"a"}`, control.ClassGeneric, "is for role viewer, and yours is nobody", control.ErrForbidden},
		{control.Admin, false, "echo", `{}`, control.ClassGeneric, "Parameter 'name' is missing: what to say", control.ErrArguments},
		{control.Admin, false, "echo", ``, control.ClassGeneric, "Parameter 'name' is missing", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"c"}`, control.ClassGeneric, "does not accept value 'c'; there are: a, b", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a","cuont":1}`, control.ClassGeneric, "Parameter 'cuont' is unexpected; there are: id, name, count, list, wait, loud", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a","Count":1}`, control.ClassGeneric, "Parameter 'Count' is unexpected", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a","name":"b"}`, control.ClassGeneric, `"name" is there twice`, control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a","count":"x"}`, control.ClassGeneric, "Invalid parameter type for 'count', expected: int", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a","id":7}`, control.ClassGeneric, "Invalid parameter type for 'id', expected: string", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a","count":1.5}`, control.ClassGeneric, "Invalid parameter type for 'count', expected: int", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a","list":"x"}`, control.ClassGeneric, "Invalid parameter type for 'list', expected: array", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":null}`, control.ClassGeneric, "Invalid parameter type for 'name', expected: string", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a","wait":"5"}`, control.ClassGeneric, `"5" is no duration; write it with its unit`, control.ErrArguments},
		{control.Admin, false, "echo", `[1]`, control.ClassGeneric, "not a JSON object", control.ErrArguments},
		{control.Admin, false, "echo", `{"name":"a"} {}`, control.ClassGeneric, "not a JSON object", control.ErrArguments},
		{control.Admin, false, "steer", `{"x":1}`, control.ClassGeneric, "Parameter 'x' is unexpected; the command has none", control.ErrArguments},
		{control.Admin, false, "fail", ``, control.ClassGeneric, "it broke", nil},
	} {
		_, err := table.Run(t.Context(), &control.Call{Role: tt.role, OOB: tt.oob}, tt.name, json.RawMessage(tt.args))
		if err == nil {
			t.Errorf("%s %s: no error", tt.name, tt.args)
			continue
		}
		told := control.ErrorOf(err)
		if told.Class != tt.class || !strings.Contains(told.Desc, tt.say) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s %s: %s: %s", tt.name, tt.args, told.Class, told.Desc)
		}
	}
}

func TestTableTellsOfChanges(t *testing.T) {
	table := echoTable()
	var told []string
	table.Done = func(call *control.Call, name string, _ json.RawMessage, err error) {
		told = append(told, call.Actor+" "+name)
		if (err != nil) != (name == "fail") || errors.Is(err, control.ErrForbidden) != (call.Role == control.Viewer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"echo", "steer", "fail", "dance"} {
		_, _ = table.Run(t.Context(), &control.Call{Role: control.Admin, Actor: "uid:0"}, name, json.RawMessage(nil))
	}
	for _, name := range []string{"echo", "fail"} { // and of who has tried
		_, _ = table.Run(t.Context(), &control.Call{Role: control.Viewer, Actor: "uid:7"}, name, json.RawMessage(nil))
	}
	if strings.Join(told, ",") != "uid:0 steer,uid:0 fail,uid:7 fail" {
		t.Errorf("%v", told)
	}
}

func TestTableByRole(t *testing.T) {
	table := echoTable()
	table.Add(control.New("echo", control.Admin, "Another", func(context.Context, *control.Call, struct{}) (struct{}, error) { return struct{}{}, nil }))
	for role, want := range []int{0, 0, 1, 3} {
		if list := table.Commands(control.Role(role)); len(list) != want {
			t.Errorf("%s: %d commands", control.Role(role), len(list))
		}
	}
}

func TestRoles(t *testing.T) {
	for _, role := range []control.Role{control.Viewer, control.Operator, control.Admin} {
		if got, err := control.ParseRole(role.String()); err != nil || got != role {
			t.Errorf("%s: %s, %v", role, got, err)
		}
	}
	for _, name := range []string{"", "nobody", "root"} {
		if got, err := control.ParseRole(name); err == nil || got != control.Nobody {
			t.Errorf("%q: %s", name, got)
		}
	}
}

func TestErrorOf(t *testing.T) {
	for want, err := range map[string]error{
		"it took too long": context.DeadlineExceeded,
		"given up":         context.Canceled,
	} {
		if told := control.ErrorOf(err); told.Class != control.ClassGeneric || !strings.Contains(told.Desc, want) || !errors.Is(told, err) {
			t.Errorf("%+v", told)
		}
	}
}

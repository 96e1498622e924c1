package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"

	"vncgate/gateway/control"
)

// run answers a request for a command.
func (s *Server) run(rw http.ResponseWriter, r *http.Request, way route) {
	call, ok := s.Allow(rw, r, way.command.Role)
	if !ok {
		return
	}
	args, err := arguments(rw, r, way)
	if err != nil {
		fail(rw, err)
		return
	}
	if call.OOB = way.command.OOB; !call.OOB {
		if !s.enter() {
			rw.Header().Set("Retry-After", "1")
			refuse(rw, http.StatusServiceUnavailable, control.ClassGeneric, "Too many commands are running; try again in a moment.")
			return
		}
		defer func() { <-s.running }()
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTime)
	defer cancel()
	result, err := s.Table.Run(ctx, &call, way.command.Name, args)
	if err == nil {
		result, err = way.answer(result)
	}
	if err != nil {
		fail(rw, err)
		return
	}
	answer(rw, result)
}

func (s *Server) enter() bool {
	select {
	case s.running <- struct{}{}:
		return true
	default:
		return false
	}
}

// answer is what the way is for of what its command returns.
func (way route) answer(result any) (any, error) {
	if way.one < 0 {
		return result, nil
	}
	if list := reflect.ValueOf(result).Field(way.one); list.Len() > 0 {
		return list.Index(0).Interface(), nil
	}
	return nil, control.NotFound("there is none of that %s (any more); %s lists those there are", way.in, way.command.Name)
}

// noCommand tells those who may know that there is no such command here.
func (s *Server) noCommand(rw http.ResponseWriter, r *http.Request) {
	if _, ok := s.Allow(rw, r, control.Viewer); !ok {
		return
	}
	name := r.PathValue("command")
	if _, there := s.Table.Find(name); there {
		refuse(rw, http.StatusNotImplemented, control.ClassGeneric, "The command "+name+" is about descriptors, which only the control socket passes.")
		return
	}
	refuse(rw, http.StatusNotFound, control.ClassCommand, "The command "+strconv.Quote(name)+" has not been found; GET "+prefix+"commands lists those there are.")
}

// arguments are those of a request as a JSON object.
func arguments(rw http.ResponseWriter, r *http.Request, way route) (json.RawMessage, error) {
	var object []byte
	var err error
	if way.method == http.MethodGet {
		object, err = queried(r.URL.Query(), control.Fields(way.command.Args))
	} else {
		object, err = posted(rw, r)
	}
	if err != nil || way.in == "" {
		return object, err
	}
	return with(object, way.in, r.PathValue(way.in)), nil
}

// with adds a member to an object. One that is there already is there twice then,
// which the table refuses.
func with(object []byte, name, value string) []byte {
	rest := bytes.TrimSpace(bytes.TrimPrefix(object, []byte("{")))
	member, _ := json.Marshal(map[string]string{name: value})
	if rest[0] == '}' {
		return member
	}
	return append(append(member[:len(member)-1], ','), rest...)
}

var (
	errNotJSON = &control.Error{Class: control.ClassGeneric, Err: control.ErrArguments, Desc: "send the arguments as a JSON object, with Content-Type: application/json"}
	errTooMuch = &control.Error{Class: control.ClassGeneric, Err: control.ErrArguments, Desc: "the request is too large"}
	errTooSlow = &control.Error{Class: control.ClassGeneric, Err: control.ErrArguments, Desc: "the request did not come in time"}
)

// posted reads an object from the body; nothing at all is an empty one.
func posted(rw http.ResponseWriter, r *http.Request) ([]byte, error) {
	if len(r.URL.RawQuery) > 0 {
		return nil, control.Wrong("put the arguments into the body, as a JSON object")
	}
	out := http.NewResponseController(rw)
	_ = out.SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	_ = out.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, errTooMuch
	case err != nil:
		return nil, errTooSlow
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return []byte("{}"), nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" || body[0] != '{' || !json.Valid(body) {
		return nil, errNotJSON
	}
	return body, nil
}

// queried makes an object of the parameters of a URL.
func queried(q url.Values, fields []control.Field) ([]byte, error) {
	object := map[string]any{}
	for name, values := range q {
		kind := "string" // one that is unknown is for the table to refuse
		if i := slices.IndexFunc(fields, func(f control.Field) bool { return f.Name == name }); i >= 0 {
			kind = fields[i].Kind
		}
		if kind == "array" {
			object[name] = values
			continue
		}
		if len(values) > 1 {
			return nil, control.Wrong("Parameter '%s' is there %d times", name, len(values))
		}
		value, err := scalar(kind, values[0])
		if err != nil {
			return nil, control.Wrong("Invalid parameter type for '%s', expected: %s", name, kind)
		}
		object[name] = value
	}
	return json.Marshal(object)
}

// scalar reads one value of a URL.
func scalar(kind, text string) (any, error) {
	switch kind {
	case "int":
		return strconv.ParseInt(text, 10, 64)
	case "number":
		return strconv.ParseFloat(text, 64)
	case "boolean":
		return strconv.ParseBool(text)
	case "object":
		return json.RawMessage(text), nil
	}
	return text, nil
}

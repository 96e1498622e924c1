package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"

	"vncgate/gateway/control"
)

// Fault is the body of every answer that is not the one that was asked for.
type Fault struct {
	Class string `json:"class,omitempty" doc:"kind of the error, as on the control socket" enum:"GenericError,CommandNotFound,DeviceNotFound"`
	Error string `json:"error" doc:"what is wrong, and what to do"`
}

// answer sends what was asked for.
func answer(rw http.ResponseWriter, v any) {
	body, err := encode(v)
	if err != nil {
		refuse(rw, http.StatusInternalServerError, control.ClassGeneric, "The answer cannot be written as JSON.")
		return
	}
	send(rw, http.StatusOK, body)
}

// fail tells an error of a command.
func fail(rw http.ResponseWriter, err error) {
	told := control.ErrorOf(err)
	refuse(rw, statusOf(err), told.Class, told.Desc)
}

// statusOf is the HTTP status of an error. What the gateway cannot do as it is
// now is a conflict.
func statusOf(err error) int {
	switch told := control.ErrorOf(err); {
	case errors.Is(err, errTooMuch):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errTooSlow):
		return http.StatusRequestTimeout
	case errors.Is(err, errNotJSON):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, control.ErrArguments):
		return http.StatusBadRequest
	case errors.Is(err, control.ErrForbidden):
		return http.StatusForbidden
	case errors.Is(err, control.ErrUnavailable):
		return http.StatusNotImplemented
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusGatewayTimeout
	case told.Class == control.ClassNotFound, told.Class == control.ClassCommand:
		return http.StatusNotFound
	}
	return http.StatusConflict
}

func refuse(rw http.ResponseWriter, status int, class, words string) {
	body, _ := encode(Fault{class, words})
	send(rw, status, body)
}

func send(rw http.ResponseWriter, status int, body []byte) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = rw.Write(body)
}

// encode is JSON without the escapes that are for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

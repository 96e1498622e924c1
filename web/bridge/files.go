package bridge

import (
	"net/http"
	"os"
	"time"
)

// noFiles answers where no directory is served.
func noFiles(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "There are no files here, only WebSocket connections.", http.StatusMethodNotAllowed)
}

func newFiles(dir string, fileOnly bool, hide []string) (http.Handler, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return http.FileServerFS(root.FS()), nil
}

// patientWriter gives a client time for each piece of an answer, not for all of
// it: a file may be large and a line slow.
type patientWriter struct{ http.ResponseWriter }

// Unwrap lets net/http find the writer below.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *patientWriter) Write(b []byte) (int, error) {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(answerTimeout))
	return w.ResponseWriter.Write(b)
}

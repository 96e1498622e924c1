package bridge

import (
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// files serves a directory the way Python's http.server does, which websockify
// has its files from: index.html or else a listing for a directory, a redirect
// to the path with a slash at its end, types by the name's extension. Never
// served are names that begin with a dot, but /.well-known (RFC 8615), links
// that lead out of the directory, and what is neither a file nor a directory.
type files struct {
	root     *os.Root
	dir      string // of root, without links
	fileOnly bool
	hide     []string

	maxListed int
}

// newFiles opens dir, which stays the one served if another takes its name.
func newFiles(dir string, fileOnly bool, hide []string) (*files, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &files{root, dir, fileOnly, slices.Clone(hide), maxListed}, nil
}

// noFiles answers where no directory is served.
func noFiles(w http.ResponseWriter, r *http.Request) {
	if allowed(w, r) {
		http.Error(w, "There are no files here, only WebSocket connections.", http.StatusMethodNotAllowed)
	}
}

// allowed answers requests that only another kind of server would take.
func allowed(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	http.Error(w, "Only GET and HEAD are served here.", http.StatusNotImplemented)
	return false
}

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r) {
		return
	}
	name, asDir := fileName(r.URL.Path)
	info, err := f.stat(name)
	switch {
	case err != nil, asDir && !info.IsDir():
		http.NotFound(w, r)
	case !info.IsDir():
		f.serveFile(w, r, name)
	case !asDir:
		toDirectory(w, r)
	default:
		f.serveDirectory(w, r, name)
	}
}

// fileName is what a request's path names inside the directory, and whether it
// asks for a directory. The name is "" for what no request may name.
func fileName(requested string) (name string, asDir bool) {
	if slices.Contains(strings.Split(requested, "/"), "..") {
		return "", false
	}
	name = strings.TrimPrefix(path.Clean("/"+requested), "/")
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && name != ".well-known" && !strings.HasPrefix(name, ".well-known/") {
			return "", false
		}
	}
	if name == "" {
		name = "."
	}
	return name, strings.HasSuffix(requested, "/")
}

// resolve follows the links in name and returns what it leads to inside the
// directory. os.Root alone would refuse links that name the whole path.
func (f *files) resolve(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", fs.ErrNotExist
	}
	full, err := filepath.EvalSymlinks(filepath.Join(f.dir, filepath.FromSlash(name)))
	if err != nil {
		return "", err
	}
	inside, err := filepath.Rel(f.dir, full)
	if err != nil || !filepath.IsLocal(inside) {
		return "", fs.ErrPermission
	}
	return inside, nil
}

// stat looks at a file or directory that may be served; anything else is an
// error, and so is a named pipe, whose mere opening would block.
func (f *files) stat(name string) (fs.FileInfo, error) {
	inside, err := f.resolve(name)
	if err != nil {
		return nil, err
	}
	for above := filepath.Dir(inside); above != "."; above = filepath.Dir(above) {
		if info, err := f.root.Stat(above); err != nil || f.hidden(info) {
			return nil, fs.ErrPermission
		}
	}
	info, err := f.root.Stat(inside)
	if err != nil {
		return nil, err
	}
	return info, f.servable(info)
}

// servable is an error for what is neither a file nor a directory, or hidden.
func (f *files) servable(info fs.FileInfo) error {
	if f.hidden(info) || !info.IsDir() && !info.Mode().IsRegular() {
		return fs.ErrPermission
	}
	return nil
}

// hidden looks at what is hidden anew each time: a key may be replaced while we
// run.
func (f *files) hidden(info fs.FileInfo) bool {
	return slices.ContainsFunc(f.hide, func(name string) bool {
		other, err := os.Stat(name)
		return err == nil && os.SameFile(info, other)
	})
}

func (f *files) open(name string) (*os.File, error) {
	inside, err := f.resolve(name)
	if err != nil {
		return nil, err
	}
	return f.root.Open(inside)
}

func (f *files) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	file, err := f.open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		http.NotFound(w, r)
		return
	}
	setHeaders(w, fileType(name))
	http.ServeContent(w, r, "", info.ModTime(), file)
}

// fileType goes by the extension alone, so that what a file contains never
// makes it a page or a script.
func fileType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t := webType(ext); t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// webType knows what pages are made of. A system's own table may call a script
// plain text, and browsers then refuse it.
func webType(ext string) string {
	switch ext {
	case ".html", ".htm":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".json":
		return "application/json"
	case ".wasm":
		return "application/wasm"
	case ".svg":
		return "image/svg+xml"
	case ".woff", ".woff2", ".ttf":
		return "font/" + ext[1:]
	case ".oga":
		return "audio/ogg"
	}
	return ""
}

// setHeaders lets browsers ask whether what they keep is still current, or they
// would mix modules of two versions of noVNC (its docs/EMBEDDING.md).
func setHeaders(w http.ResponseWriter, contentType string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
}

// toDirectory redirects relative to the path, which keeps the prefix of a proxy
// in front and can lead to no other host.
func toDirectory(w http.ResponseWriter, r *http.Request) {
	to := url.URL{Path: path.Base(r.URL.Path) + "/", RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusMovedPermanently)
}

func (f *files) serveDirectory(w http.ResponseWriter, r *http.Request, name string) {
	for _, index := range []string{"index.html", "index.htm"} {
		index = path.Join(name, index)
		if info, err := f.stat(index); err == nil && !info.IsDir() {
			f.serveFile(w, r, index)
			return
		}
	}
	if f.fileOnly {
		http.NotFound(w, r)
		return
	}
	f.list(w, r, name)
}

// patientWriter gives a client time for each piece of an answer, not for all of
// it: a file may be large and a line slow.
type patientWriter struct {
	http.ResponseWriter
	status int // as it was answered
}

// WriteHeader remembers the status for the log.
func (w *patientWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *patientWriter) Write(b []byte) (int, error) {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(answerTimeout))
	return w.ResponseWriter.Write(b)
}

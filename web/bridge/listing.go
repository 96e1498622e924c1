package bridge

import (
	"cmp"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxListed bounds a listing, and so what a request for one costs.
const maxListed = 5000 // entries of the directory

// list answers with the names in a directory that may be asked for.
func (f *files) list(w http.ResponseWriter, r *http.Request, name string) {
	dir, err := f.open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = dir.Close() }()
	entries, _ := dir.ReadDir(f.maxListed + 1) // what could be read is listed
	var b strings.Builder
	title := html.EscapeString("Directory listing for " + r.URL.Path)
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>%s</title>\n<h1>%s</h1>\n<hr>\n<ul>\n", title, title)
	for _, entry := range f.listed(name, entries[:min(len(entries), f.maxListed)]) {
		link := url.URL{Path: entry}
		fmt.Fprintf(&b, "<li><a href=\"%s\">%s</a></li>\n", html.EscapeString(link.String()), html.EscapeString(entry))
	}
	b.WriteString("</ul>\n<hr>\n")
	if len(entries) > f.maxListed {
		fmt.Fprintf(&b, "<p>There are more than the %d entries looked at.</p>\n", f.maxListed)
	}
	setHeaders(w, "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(b.String()))
	}
}

// listed are the entries that a request would be answered with, directories
// with a slash, in the order of their names without regard to case.
func (f *files) listed(dir string, entries []fs.DirEntry) []string {
	var names []string
	for _, entry := range entries {
		full := path.Join(dir, entry.Name())
		if name, _ := fileName(full); name == "" {
			continue
		}
		info, err := f.statEntry(full, entry)
		switch {
		case err != nil:
		case info.IsDir():
			names = append(names, entry.Name()+"/")
		default:
			names = append(names, entry.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	})
	return names
}

// statEntry is stat for an entry of a directory that was reached already: only
// a link can lead elsewhere.
func (f *files) statEntry(name string, entry fs.DirEntry) (fs.FileInfo, error) {
	if entry.Type()&fs.ModeSymlink != 0 {
		return f.stat(name)
	}
	info, err := entry.Info()
	if err != nil {
		return nil, err
	}
	return info, f.servable(info)
}

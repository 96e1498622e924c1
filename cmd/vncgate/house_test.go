package main

import (
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository's, seen from this package.
const root = "../.."

// module is the path that packages of ours begin with.
const module = "vncgate/"

// house says what each package of ours may import of ours. A package that is
// not listed here has no place yet: give it one, with the reason.
var house = map[string]struct {
	may []string
	why string
}{
	"layers":                        {nil, "a layer works under any protocol, so it knows none of ours"},
	"layers/layertest":              {[]string{"layers"}, "it tests layers alone"},
	"rfb":                           {nil, "rfb sees one connection: neither sockets nor layers nor pixels"},
	"rfb/rfbtest":                   {[]string{"rfb"}, "it plays the other end of rfb"},
	"rfb/display":                   {[]string{"rfb"}, "pixels stand above the protocol, never below it"},
	"rfb/display/demo":              {[]string{"rfb", "rfb/display/screen"}, "pixels stand above the protocol, never below it"},
	"rfb/display/player":            {[]string{"rfb", "rfb/display", "rfb/display/recording", "rfb/display/screen"}, "it plays what was decoded, to whoever looks"},
	"rfb/display/recording":         {[]string{"rfb", "rfb/display"}, "a recording is pixels and files: it knows neither gateways nor sessions"},
	"rfb/display/screen":            {[]string{"rfb"}, "it shows pictures, whoever paints them"},
	"rfb/display/screen/screentest": {[]string{"rfb"}, "it looks at screens from outside"},
	"rfb/display/video":             {[]string{"rfb/display", "rfb/display/still"}, "a video is made of pictures"},
	"rfb/display/still":             {nil, "a picture is a picture, wherever it comes from"},
	"auth":                          {nil, "who may do what is a question without connections"},
	"auth/capability":               {[]string{"auth", "auth/folder", "auth/tickets"}, "a token is a text and what was written down about it"},
	"auth/folder":                   {nil, "files are files, whatever is in them"},
	"auth/tickets":                  {[]string{"auth"}, "a token source names a display and a right, and reaches neither"},
	"auth/tickets/redistest":        {nil, "it runs a server that is not ours"},
	"certs":                         {nil, "certificates are files and keys"},
	"gateway":                       {[]string{"layers", "rfb", "auth"}, "the gateway runs without HTTP and without pixels"},
	"gateway/archive":               {nil, "it keeps files, whatever is in them"},
	"gateway/audit":                 {[]string{"gateway"}, "it writes down what a gateway tells"},
	"gateway/metrics":               {[]string{"gateway", "rfb"}, "it counts what a gateway tells, and messages by their types"},
	"gateway/tunnel":                {[]string{"layers", "certs", "auth/folder"}, "it joins two ends: what its streams carry, and who may have them, others know"},
	"gateway/tunnel/tunneltest":     {[]string{"gateway/tunnel"}, "it tests what a tunnel is given"},
	"gateway/traces":                {[]string{"gateway"}, "it tells of sessions what a gateway tells it"},
	"gateway/cluster":               {[]string{"gateway", "auth"}, "it tells gateways of each other, through a server that all of them ask"},
	"gateway/control":               {[]string{"gateway", "auth", "layers"}, "it steers a gateway and asks the socket who is there"},
	"web":                           {[]string{"layers", "gateway"}, "web hands connections over and decides nothing"},
	"web/admin":                     {[]string{"gateway", "gateway/control"}, "it shows the table of commands and decides nothing"},
	"web/bridge":                    {[]string{"layers", "gateway"}, "it carries any protocol, so it knows no RFB"},
	"cmd/vncgate":                   {[]string{"layers", "rfb", "rfb/display", "rfb/display/demo", "rfb/display/recording", "rfb/display/player", "rfb/display/still", "rfb/display/video", "auth", "auth/capability", "auth/folder", "auth/tickets", "certs", "gateway", "gateway/archive", "gateway/audit", "gateway/cluster", "gateway/control", "gateway/metrics", "gateway/traces", "gateway/tunnel", "web", "web/admin", "web/bridge"}, "the only place that knows every package"},
	"cmd/vncgate/benchmark":         {nil, "it measures the program from outside, and its load must cost nothing of ours"},
	"cmd/vncgate/interop":           {nil, "it tests the program from outside"},
	"cmd/vncgate/netlab":            {nil, "it tests the program from outside, between hosts that are far apart"},
}

// forbidden imports of the standard library.
var forbidden = map[string]map[string]string{
	"rfb": {"os": "rfb sees one connection, not the machine", "net/http": "rfb is not HTTP's business", "crypto/tls": "TLS comes in as a func"},
}

func TestImportDirections(t *testing.T) {
	for dir, pkg := range ourPackages(t) {
		rule, ok := house[dir]
		if !ok {
			t.Errorf("%s has no place in the house: add it, with what it may import and why", dir)
			continue
		}
		for _, path := range pkg.Imports {
			if reason, no := forbidden[dir][path]; no {
				t.Errorf("%s imports %s: %s", dir, path, reason)
			}
			own, ours := strings.CutPrefix(path, module)
			if ours && !slices.Contains(rule.may, own) {
				t.Errorf("%s imports %s, and may not: %s", dir, own, rule.why)
			}
		}
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	for dir, pkg := range ourPackages(t) {
		if len(strings.TrimSpace(pkg.Doc)) < 30 {
			t.Errorf("%s: the package comment is missing or says nothing", dir)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	eachGoFile(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range undocumented(file) {
			t.Errorf("%s: %s has no comment", path, name)
		}
	})
}

func TestFormatting(t *testing.T) {
	eachGoFile(t, func(path string, src []byte) {
		formatted, err := format.Source(src)
		if err != nil || string(formatted) != string(src) {
			t.Errorf("%s: gofmt would change it", path)
		}
	})
}

func TestGoModHasNoReplace(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*replace\b`).Match(b) {
		t.Error("go.mod replaces a module: others who build it get something else")
	}
}

func TestLockFileHasNoAddresses(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "web/ui/package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), `"resolved": "http`) {
		t.Error("package-lock.json names where packages were downloaded; set omit-lockfile-registry-resolved")
	}
}

func TestDeployedConfigurationsParse(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples in deploy: %v", err)
	}
	for _, path := range files {
		if _, err := loadConfig(path); err != nil {
			t.Errorf("%v", err)
		}
	}
}

// ourPackages finds every package of the module by its folder.
func ourPackages(t *testing.T) map[string]*build.Package {
	t.Helper()
	found := map[string]*build.Package{}
	walk(t, func(path string, d fs.DirEntry) {
		if !d.IsDir() {
			return
		}
		pkg, err := build.ImportDir(path, build.ImportComment)
		if err != nil {
			return
		}
		dir, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.ToSlash(dir)] = pkg
	})
	if len(found) < 8 {
		t.Fatalf("only %d packages found: the test looks in the wrong place", len(found))
	}
	return found
}

func eachGoFile(t *testing.T, f func(path string, src []byte)) {
	t.Helper()
	walk(t, func(path string, d fs.DirEntry) {
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f(path, src)
	})
}

// walk visits what belongs to the repository's sources.
func walk(t *testing.T, f func(path string, d fs.DirEntry)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch d.Name() {
		case "node_modules", "testdata", "dist", ".git":
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
			return fs.SkipDir // a module of its own, which nothing here can import
		}
		f(path, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func undocumented(file *ast.File) []string {
	var names []string
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			names = append(names, undocumentedSpecs(d)...)
		}
	}
	return names
}

// undocumentedSpecs takes the comment of a group as that of its members.
func undocumentedSpecs(d *ast.GenDecl) []string {
	var names []string
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
				names = append(names, s.Name.Name)
			}
		case *ast.ValueSpec:
			if s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				names = append(names, s.Names[0].Name)
			}
		}
	}
	return names
}

// exportedReceiver passes over methods of types that nobody outside names,
// and those that only fulfil an interface everybody knows.
func exportedReceiver(d *ast.FuncDecl) bool {
	switch d.Name.Name {
	case "Error", "Unwrap", "Is", "String", "Network":
		return false
	}
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	id, ok := t.(*ast.Ident)
	return ok && id.IsExported()
}

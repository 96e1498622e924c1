package tickets

import (
	"fmt"
	"strings"
)

// pluginModule is where websockify's own classes are.
const pluginModule = "websockify.token_plugins."

// Plugin returns the source that websockify's --token-plugin and
// --token-source name: class is the bare name of a class of its own or that
// name with "websockify.token_plugins." before it. Files and directories need
// not be there yet. Errors say what to write instead, and nothing of source.
//
// A *File that is returned may be given a Report before its first look-up; a
// source that has Close must be closed.
func Plugin(class, source string) (Source, error) {
	name := strings.TrimPrefix(class, pluginModule)
	if strings.Contains(name, ".") {
		return nil, fmt.Errorf("tickets: token plugin %q: a Python class cannot be loaded; serve what it knows over HTTP and use JSONTokenApi with its URL, or write it to a file and use TokenFile", class)
	}
	open, ok := pluginNamed(name)
	if !ok {
		return nil, unknownPlugin(name)
	}
	if source == "" {
		return nil, fmt.Errorf("tickets: token plugin %s: --token-source is missing", name)
	}
	s, err := open(source)
	if err != nil {
		return nil, fmt.Errorf("tickets: token plugin %s: %w", name, err)
	}
	return s, nil
}

// pluginNames are in the order of websockify:websockify/token_plugins.py.
func pluginNames() []string {
	return []string{"ReadOnlyTokenFile", "TokenFile", "TokenFileName", "BaseTokenAPI", "JSONTokenApi", "JWTTokenApi", "TokenRedis", "UnixDomainSocketDirectory"}
}

func pluginNamed(name string) (open func(source string) (Source, error), ok bool) {
	switch name {
	case "ReadOnlyTokenFile":
		return func(s string) (Source, error) { return &File{Path: s, Once: true}, nil }, true
	case "TokenFile":
		return func(s string) (Source, error) { return &File{Path: s}, nil }, true
	case "TokenFileName":
		return func(s string) (Source, error) { return &NamedFiles{Dir: s}, nil }, true
	case "BaseTokenAPI", "JSONTokenApi":
		return openHTTP, true
	case "JWTTokenApi":
		return NewWebsockifyJWT, true
	case "TokenRedis":
		return openRedis, true
	case "UnixDomainSocketDirectory":
		return func(s string) (Source, error) { return &Sockets{Dir: s}, nil }, true
	}
	return nil, false
}

func openHTTP(source string) (Source, error) {
	h, err := NewHTTP(HTTPConfig{URL: source})
	if err != nil {
		return nil, err
	}
	return h, nil
}

func openRedis(source string) (Source, error) {
	cfg, err := ParseRedisSource(source)
	if err != nil {
		return nil, err
	}
	r, err := NewRedis(cfg)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// unknownPlugin points to the class that was meant, if it is only written in
// other letters.
func unknownPlugin(name string) error {
	for _, known := range pluginNames() {
		if strings.EqualFold(name, known) {
			return fmt.Errorf("tickets: token plugin %q: write it %s", name, known)
		}
	}
	return fmt.Errorf("tickets: token plugin %q: there is none of that name; there are %s", name, strings.Join(pluginNames(), ", "))
}

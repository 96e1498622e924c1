package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// variablePrefix begins the name of each variable that stands for a flag.
const variablePrefix = "VNCGATE_"

// variableOf is the variable that stands for a flag.
func variableOf(prefix, flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// misspelt are variables that are none of the flags' and look as if they were meant
// for one, with that one's: who sets VNCGATE_PASSWORD believes that a password is
// asked for. Others with our prefix are left alone, since Kubernetes makes some for
// a Service of our name, and other commands have theirs.
func misspelt(environ []string, flags *pflag.FlagSet) map[string]string {
	var known []string
	flags.VisitAll(func(f *pflag.Flag) { known = append(known, variableOf("", f.Name)) })
	meant := map[string]string{}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		own, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || value == "" {
			continue
		}
		if near := variableMeant(own, known); near != own && near != "" {
			meant[name] = variablePrefix + near
		}
	}
	return meant
}

// variableMeant is name where it is known, or what it looks like: PASSWORD is the
// beginning of PASSWORD_FILE.
func variableMeant(name string, known []string) string {
	begins := ""
	for _, k := range known {
		switch {
		case k == name:
			return name
		case strings.HasPrefix(k, name+"_") && (begins == "" || k < begins):
			begins = k
		}
	}
	if begins != "" {
		return begins
	}
	return nearest(name, known)
}

// warnOfMisspelt names variables that count for nothing, but for those that the
// configuration takes a secret from.
func warnOfMisspelt(log *slog.Logger, meant map[string]string, cfg *config) {
	if len(meant) == 0 {
		return
	}
	text, _ := yaml.Marshal(cfg)
	for _, name := range keys(meant) {
		if !strings.Contains(string(text), name) {
			log.Warn(fmt.Sprintf("the variable %s means nothing and is not looked at; did you mean %s?", name, meant[name]))
		}
	}
}

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestHealthSaysWhatItNeeds(t *testing.T) {
	g := newGate(t, "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: %s}}\nadmin: {address: 127.0.0.1:0, tokens: [{name: eye, role: viewer, token: eye-secret-of-sixteen}]}\n", displaysAt(t, "desk")[0])
	for _, c := range []struct{ token, want string }{
		{"", "--token-file FILE"},
		{fileWith(t, "something else"), "is wrong"},
		{fileWith(t, "eye-secret-of-sixteen\n"), ""},
	} {
		f := &healthFlags{admin: g.admin.ln.Addr().String(), target: "desk", tokenFile: c.token, timeout: patience}
		var out bytes.Buffer
		err := f.run(visit(t), &out)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "{\"")) {
			t.Errorf("with %q: %v; want %q", c.token, err, c.want)
		}
	}
	for want, f := range map[string]*healthFlags{"--config FILE": {}, "": {admin: "127.0.0.1:1"}} {
		if got := f.elsewhere(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("with %+v: %q", f, got)
		}
	}
}

func TestShortAdminTokensAreRefused(t *testing.T) {
	for token, short := range map[string]bool{"x": true, "fifteen-letters": true, "sixteen-letters!": false} {
		file := fileWith(t, "%s\n", token)
		for where, s := range map[string]*secret{"text": {text: token}, "file": {File: file}} {
			a := &adminConfig{Tokens: []adminTokenConfig{{Name: "ops", Token: s}}}
			err := a.secretsReadable(t.Context())
			if short != (err != nil) || err != nil && (!strings.Contains(err.Error(), "openssl rand -base64 24") || strings.Contains(strings.ReplaceAll(err.Error(), "ops", ""), token+" ")) {
				t.Errorf("%q as %s: %v", token, where, err)
			}
		}
	}
}

// A container's health is asked for among the variables that serve has.
func TestHealthAmongTheVariablesOfServe(t *testing.T) {
	const listener = "listeners: [{address: 127.0.0.1:0, web: {}}]\ntargets: {desk: {address: %s}}\n"
	display := displaysAt(t, "desk")[0].(string)
	g := newGate(t, listener+"admin: {address: 127.0.0.1:0, open: [health]}\n", display)
	admin := g.admin.ln.Addr().String()
	silent := fileWith(t, listener, display)
	said := fileWith(t, listener+"admin: {address: %q}\n", display, admin)
	for name, c := range map[string]struct {
		config, admin string
		args          []string
		want          string
	}{
		"address alone":            {admin: admin},
		"ready":                    {admin: admin, args: []string{"--ready"}},
		"target of its own":        {admin: admin, args: []string{"--target", "desk"}},
		"file without admin":       {config: silent, admin: admin},
		"file with admin":          {config: said, admin: "127.0.0.1:1"},
		"flag beside file":         {config: silent, args: []string{"--admin", admin}},
		"flags that contradict":    {args: []string{"--admin", admin, "--config", said}, want: "exclude each other"},
		"neither file nor address": {config: silent, want: "no admin listener"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("VNCGATE_TARGET", display) // of serve
			t.Setenv("VNCGATE_TOKEN_FILE", fileWith(t, "a: %s\n", display))
			t.Setenv("VNCGATE_CONFIG", c.config)
			t.Setenv("VNCGATE_ADMIN", c.admin)
			root := newRootCommand()
			root.SetArgs(append([]string{"health"}, c.args...))
			root.SetOut(io.Discard)
			err := root.ExecuteContext(visit(t))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

const websockifyHelp = `Lets browsers reach any TCP service over WebSocket, in place of websockify and
with its options: old command lines work unchanged.

Usage:
  vncgate websockify [options] [ADDRESS:]PORT HOST:PORT
  vncgate websockify [options] [ADDRESS:]PORT --unix-target=FILE
  vncgate websockify [options] [ADDRESS:]PORT --token-plugin=CLASS --token-source=ARG
  vncgate websockify [options] [ADDRESS:]PORT -- COMMAND...

Examples:
  vncgate websockify --web /usr/share/novnc 6080 localhost:5901
  vncgate websockify -D --cert tls.pem --ssl-only 6080 localhost:5901
  vncgate websockify --token-plugin TokenFile --token-source tokens.d 6080
  vncgate websockify 5901 -- Xvnc :1 -rfbport 5901 -SecurityTypes None
  ln -s "$(command -v vncgate)" /usr/local/bin/websockify   # then scripts find it

Options may stand anywhere before --, may be cut short where only one begins so
(--heart for --heartbeat), and take their value with a space or with "=".
`

const websockifyHelpEnd = `
Not as in websockify, on purpose: an unknown token is answered with 403 instead
of a closed connection; a certificate that is wrong ends the start; with -D the
folder and the umask stay those of who started it; the README has the whole
list, each with its reason. For users, policies and the display's own password use
'vncgate serve'.
`

const novncProxyHelp = `Serves noVNC and lets it reach a VNC server, in place of noVNC's utils/novnc_proxy
and with its options: old command lines work unchanged.

Usage:
  novnc_proxy [--listen [HOST:]PORT] [--vnc HOST:PORT] [options]

Examples:
  novnc_proxy --vnc localhost:5901
  novnc_proxy --listen 8080 --vnc localhost:5901 --cert tls.pem --ssl-only
`

const novncProxyHelpEnd = `
Without --web the page is the one that vncgate brings along; with it, DIR must
hold vnc.html.
`

// Columns of the help.
const (
	helpColumn = 26
	helpWidth  = 79
)

func printWebsockifyHelp(w io.Writer) {
	printHelp(w, websockifyHelp, websockifyTable(), websockifyHelpEnd)
}

func printNoVNCProxyHelp(w io.Writer) {
	printHelp(w, novncProxyHelp, novncProxyTable(), novncProxyHelpEnd)
}

func printHelp(w io.Writer, begin string, options []longOption, end string) {
	var b strings.Builder
	b.WriteString(begin)
	var groups []string
	for _, o := range options {
		if !slices.Contains(groups, o.group) {
			groups = append(groups, o.group)
		}
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "\n%s:\n", g)
		for _, o := range options {
			if o.group == g {
				b.WriteString(o.describe())
			}
		}
	}
	b.WriteString(end)
	_, _ = io.WriteString(w, b.String())
}

// describe is the option's part of the help: its name, then what it does, in
// lines of its own where there is no room.
func (o *longOption) describe() string {
	name := "      --" + o.name
	if o.short != 0 {
		name = fmt.Sprintf("  -%c, --%s", o.short, o.name)
	}
	if o.value != "" {
		name += "=" + o.value
	}
	indent := "\n" + strings.Repeat(" ", helpColumn)
	lines := wrapWords(o.help, helpWidth-helpColumn)
	if len(name) < helpColumn-1 {
		return fmt.Sprintf("%-*s", helpColumn, name) + strings.Join(lines, indent) + "\n"
	}
	return name + indent + strings.Join(lines, indent) + "\n"
}

// wrapWords breaks text into lines of at most width characters.
func wrapWords(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

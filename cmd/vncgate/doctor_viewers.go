package main

import (
	"fmt"
	"slices"
	"strings"

	"vncgate/rfb"
)

// A knownViewer is a program of others and the types it speaks. All of them
// take the first that a server offers and they know.
type knownViewer struct {
	name      string
	websocket bool // how it connects; the others by TCP
	types     []rfb.SecurityType
	nested    []rfb.SecurityType // inside VeNCrypt
}

// knownViewers are those whose types have been read off their sources: noVNC
// core/rfb.js, TigerVNC common/rfb/SecurityClient.cxx, gtk-vnc
// src/vncconnection.c, libvncclient rfbclient.c.
var knownViewers = []knownViewer{
	{"noVNC 1.7", true, types(1, 2, 6, 16, 19, 22, 30, 113), types(1, 2, 6, 16, 22, 30, 113, 256)},
	{"TigerVNC 1.13 and newer", false, types(1, 2, 5, 6, 19, 129, 130), types(256, 257, 258, 259, 260, 261, 262)},
	{"TigerVNC 1.12", false, types(1, 2, 19), types(256, 257, 258, 259, 260, 261, 262)},
	{"gtk-vnc (virt-viewer, Boxes)", false, types(1, 2, 18, 19, 20, 30, 113), types(256, 257, 258, 259, 260, 261, 262, 263, 264)},
	{"libvncclient (Remmina, KRDC)", false, types(1, 2, 18, 19, 20, 30, 113), types(256, 257, 258, 259, 260, 261, 262, 263, 264)},
}

func types(numbers ...rfb.SecurityType) []rfb.SecurityType { return numbers }

// takes is the type that the viewer would use; false if it has none.
func (v knownViewer) takes(offered, nested []rfb.SecurityType) (rfb.SecurityType, bool) {
	for _, t := range offered {
		if !slices.Contains(v.types, t) {
			continue
		}
		if t != rfb.TypeVeNCrypt {
			return t, true
		}
		for _, sub := range nested {
			if slices.Contains(v.nested, sub) {
				return sub, true
			}
		}
		return t, false // it does not come back for another type
	}
	return rfb.TypeInvalid, false
}

// viewers is the step that says which programs could get in. It is for fronts,
// once what they offer is known.
func (d *doctor) viewers() {
	if !d.front || d.listed || d.offered == nil {
		return
	}
	d.listed = true
	s := d.begin("viewers")
	able := map[string]string{}
	for _, v := range knownViewers {
		if v.websocket != (d.page != nil) {
			continue
		}
		if t, ok := v.takes(d.offered, d.nested); ok {
			able[v.name] = t.String()
			s.note("%s: %s", v.name, typeBy(t))
		} else {
			able[v.name] = ""
			s.note("%s: cannot get in, it speaks none of these", v.name)
		}
	}
	s.detail("viewers", able)
	d.countViewers(s, able)
	d.done()
}

func (d *doctor) countViewers(s *step, able map[string]string) {
	can := 0
	for _, t := range able {
		if t != "" {
			can++
		}
	}
	where := "by TCP"
	if d.page != nil {
		where = "by WebSocket"
	}
	s.Summary = fmt.Sprintf("%d of %d known viewers that come %s could get in", can, len(able), where)
	if can < len(able) {
		advice := "On the other side: browsers speak none, vnc and, inside wss, plain"
		if d.page == nil {
			advice = "On the other side: x509-plain and x509-vnc are what all of these speak"
		}
		s.advise(advice + "; the order on offer counts, because viewers take the first they know.")
	}
	if d.page == nil {
		s.note("browsers (noVNC) need a WebSocket: look at that by --front http://… or https://…")
	}
	if slices.Contains(d.offered, rfb.TypeVeNCrypt) && slices.ContainsFunc(d.nested, anonymous) && strings.Contains(s.Name, "viewers") {
		s.note("tls types without a certificate protect from listeners only, not from a man in the middle")
	}
}

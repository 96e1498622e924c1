package main

import (
	"strings"

	"vncgate/rfb"
)

// Some security types come inside another: those over X.509 TLS, plain and
// ident in VeNCrypt, others in Tight. The configuration names them one by one.

// envelope is a type that has others inside.
type envelope int

const (
	alone envelope = iota
	inVeNCrypt
	inTight
)

// envelopeOf takes a name apart: what it is in, and what it is.
func envelopeOf(name string) (in envelope, inner string, overTLS bool) {
	if inner, ok := strings.CutPrefix(name, "x509-"); ok {
		return inVeNCrypt, inner, true
	}
	if inner, ok := strings.CutPrefix(name, "tight-"); ok {
		return inTight, inner, false
	}
	if name == "plain" || name == "ident" {
		return inVeNCrypt, name, false
	}
	return alone, name, false
}

// side is one of the two roles in which security types are assembled.
type side struct {
	single   func(inner string, overTLS bool) rfb.Security // a type by itself
	x509     func(inner rfb.Security) rfb.Security         // over TLS, in VeNCrypt
	venCrypt func([]rfb.Security) rfb.Security
	tight    func([]rfb.Security) rfb.Security
}

// assemble makes the types of a list, in its order. Those that share an
// envelope are in one, at the place of the first.
func (s side) assemble(names []string) []rfb.Security {
	var list []rfb.Security
	inside := map[envelope][]rfb.Security{}
	at := map[envelope]int{}
	for _, name := range names {
		in, inner, overTLS := envelopeOf(name)
		made := s.single(inner, overTLS)
		if overTLS {
			made = s.x509(made)
		}
		if in == alone {
			list = append(list, made)
			continue
		}
		if _, begun := at[in]; !begun {
			at[in] = len(list)
			list = append(list, nil)
		}
		inside[in] = append(inside[in], made)
	}
	if i, ok := at[inVeNCrypt]; ok {
		list[i] = s.venCrypt(inside[inVeNCrypt])
	}
	if i, ok := at[inTight]; ok {
		list[i] = s.tight(inside[inTight])
	}
	return list
}

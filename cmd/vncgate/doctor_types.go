package main

import (
	"fmt"
	"slices"
	"strings"

	"vncgate/rfb"
)

// typeWords say what security types are.
var typeWords = map[rfb.SecurityType]string{
	2:   "a VNC password: 8 characters count, and nothing is encrypted",
	5:   "RealVNC RA2: RSA and AES",
	6:   "RealVNC RA2ne: RSA, then no encryption",
	16:  "Tight, an envelope for other types",
	17:  "UltraVNC",
	18:  "TLS without certificates (vino)",
	19:  "VeNCrypt: TLS, then a type inside it",
	20:  "SASL",
	21:  "MD5 hash",
	22:  "xvp",
	30:  "Apple: Diffie-Hellman and a user of the Mac",
	33:  "Apple",
	35:  "Apple",
	36:  "Apple",
	113: "MSLogonII: a Windows user",
	129: "RealVNC RA2 with AES-256",
	130: "RealVNC RA2ne with AES-256",
	256: "user and password, in the clear unless something below encrypts",
	257: "TLS without certificates", 258: "TLS without certificates, then a VNC password",
	259: "TLS without certificates, then user and password", 264: "TLS without certificates, then SASL",
	260: "TLS with a certificate, then nothing",
	261: "TLS with a certificate, then a VNC password",
	262: "TLS with a certificate, then user and password",
	263: "TLS with a certificate, then SASL",
}

// typeText is a type with its number and what it is.
func typeText(t rfb.SecurityType) string {
	if t == rfb.TypeNone {
		return spoken(t.String())
	}
	if words, ok := typeWords[t]; ok {
		return fmt.Sprintf("%s (%d): %s", t, uint32(t), words)
	}
	if t == 13 || t == 133 || t >= 3 && t <= 15 || t >= 128 && t <= 255 {
		return fmt.Sprintf("%s: RealVNC's own", t)
	}
	return t.String()
}

func typeNames(types []rfb.SecurityType) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return names
}

// spoken is a type's name in a sentence: "it offers none" would say that there
// is nothing.
func spoken(name string) string {
	if name == rfb.TypeNone.String() {
		return "no authentication (none)"
	}
	return name
}

// by says which type a log-in goes by.
func by(name string) string {
	if words := spoken(name); words != name {
		return "with " + words
	}
	return "by " + name
}

// typeBy is by with what the type is.
func typeBy(t rfb.SecurityType) string {
	if t == rfb.TypeNone {
		return by(t.String())
	}
	return "by " + typeText(t)
}

func joined(types []rfb.SecurityType) string {
	names := typeNames(types)
	for i, name := range names {
		names[i] = spoken(name)
	}
	return strings.Join(names, ", ")
}

// anonymous reports whether t is TLS by Diffie-Hellman without a certificate.
func anonymous(t rfb.SecurityType) bool {
	switch t {
	case rfb.TypeTLS, rfb.TypeTLSNone, rfb.TypeTLSVnc, rfb.TypeTLSPlain, rfb.TypeTLSSASL:
		return true
	}
	return false
}

// serverOf guesses the program by what it offers and how it is named; "" where
// nothing tells.
func serverOf(version string, offered, nested []rfb.SecurityType, desktop string) string {
	has := func(ts ...rfb.SecurityType) bool {
		return slices.ContainsFunc(ts, func(t rfb.SecurityType) bool { return slices.Contains(offered, t) })
	}
	switch {
	case desktop == "QEMU" || strings.HasPrefix(desktop, "QEMU ("):
		return "QEMU"
	case strings.HasPrefix(desktop, "Intel(r) AMT"):
		return "Intel AMT"
	case desktop == "WayVNC":
		return "wayvnc"
	case version == "RFB 003.889" || has(33, 35, 36):
		return "Apple Screen Sharing"
	case has(17, 113, 0x68, 0x69, 0x70, 0x72, 0x73, 0x74, 0x75, 0x76):
		return "UltraVNC"
	case has(rfb.TypeVeNCrypt) && has(rfb.TypeVncAuth) || has(rfb.TypeVeNCrypt) && has(5, 6, 129, 130):
		return "TigerVNC"
	case has(rfb.TypeTight):
		return "TightVNC, or libvncserver (x11vnc)"
	case slices.Equal(offered, []rfb.SecurityType{rfb.TypeVeNCrypt}):
		return venCryptServer(nested, desktop)
	case slices.Equal(offered, []rfb.SecurityType{rfb.TypeSASL}):
		return "QEMU, or vncgate"
	case has(5, 129, 13, 133):
		return "RealVNC"
	}
	return ""
}

// venCryptServer guesses who offers VeNCrypt alone: QEMU has one subtype and
// says its name, vncgate alone has SASL beside others and passes names on.
func venCryptServer(nested []rfb.SecurityType, desktop string) string {
	sasl := slices.Contains(nested, rfb.TypeX509SASL) || slices.Contains(nested, rfb.TypeTLSSASL)
	switch {
	case len(nested) == 0 || slices.Contains(nested, rfb.TypePlain):
		return ""
	case sasl && (len(nested) > 1 || desktop != ""):
		return "vncgate"
	case sasl:
		return "QEMU, or vncgate"
	case len(nested) > 1:
		return "TigerVNC, or vncgate"
	case desktop != "":
		return "TigerVNC or vncgate, with one type alone"
	}
	return "QEMU, or TigerVNC or vncgate with one type alone"
}

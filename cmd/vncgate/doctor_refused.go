package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vncgate/rfb"
)

// noHandshake says why the other side did not let us in.
func (d *doctor) noHandshake(err error) error {
	var none *rfb.NoCommonSecurityError
	var refused *rfb.DisplayError
	var told *trouble
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &none):
		return d.nothingInCommon()
	case errors.As(err, &refused) && refused.Stage == rfb.StageSecurity:
		return turnedAway(refused.Reason)
	case d.wantsOurCertificate(err):
		return newTrouble("it ended the connection after asking for a client certificate, of which we have none", clientCertificateAdvice()...)
	case isAlert(err):
		return d.noTLS(err)
	case errors.As(err, &refused):
		return d.wrongSecret(refused.Reason)
	case errors.Is(err, errSilent):
		return newTrouble("no answer in time: it hangs in the middle of the handshake",
			"On the other side: x11vnc -accept and the like ask somebody at the screen first; else its log says what it waits for.")
	case closed(err):
		return newTrouble("it closed the connection in the middle of the handshake", "On the other side: its log says why.")
	}
	words := strings.TrimPrefix(err.Error(), "rfb: ")
	if strings.Contains(words, "rsa_key") {
		return newTrouble(words, "On this side: once the fingerprint has been compared, give it: --target-rsa-key (in the configuration: rsa_key).")
	}
	return newTrouble(words)
}

// wantsOurCertificate reports whether a server that asked for a certificate
// left when there was none. QEMU does so without an alert.
func (d *doctor) wantsOurCertificate(err error) bool {
	if d.seen == nil || !d.seen.asked || d.ownCertificate() != "none" {
		return false
	}
	var refused *rfb.DisplayError
	return closed(err) || isAlert(err) || errors.As(err, &refused) && refused.Reason == ""
}

// turnedAway is for a server that refused before any type was chosen.
func turnedAway(reason string) error {
	words := "it turns us away before any log-in"
	if reason != "" {
		words += fmt.Sprintf(": %q", reason)
	}
	lower := strings.ToLower(reason)
	switch {
	case strings.Contains(lower, "too many"):
		return newTrouble(words, "On the other side: log-ins from this address failed too often and it is locked out for a while; wait, or restart the server (TigerVNC: -UseBlacklist=0 on a trusted network).")
	case strings.Contains(lower, "password") || strings.Contains(lower, "authentication"):
		return newTrouble(words, "On the other side: it has no password to compare with; set one (vncpasswd, -PasswordFile, QEMU's set_password).")
	}
	return newTrouble(words, "On the other side: its log says why.")
}

// wrongSecret is for a log-in that was refused.
func (d *doctor) wrongSecret(reason string) error {
	if err := byGateway(reason); err != nil {
		return err
	}
	t, _ := d.current.Details["type"].(string)
	words := "it refused the log-in " + by(t)
	if reason != "" {
		words += fmt.Sprintf(": %q", reason)
	}
	lower := strings.ToLower(reason)
	switch {
	case strings.Contains(lower, "too many"):
		return turnedAway(reason)
	case strings.HasSuffix(t, "sasl"):
		return newTrouble(words,
			"On this side: user or password is wrong. The user may need its realm: NAME@HOST.",
			"On the other side: 'sasldblistusers2 -f FILE' lists the users; QEMU's list of users (authz) must have ours; of vncgate, 'vncgate user list', and its policy.")
	case strings.HasSuffix(t, "plain"):
		return newTrouble(words,
			"On this side: user or password is wrong.",
			"On the other side: TigerVNC lets in only users named by -PlainUsers, and asks PAM (-PAMService, /etc/pam.d/vnc); 'vncgate user list' lists vncgate's, and its policy must let the user at the target.")
	case strings.HasSuffix(t, "vnc"):
		return newTrouble(words,
			"On this side: the password is wrong: the file must hold it as text, not in vncpasswd's form; 8 characters count; spaces count, too.",
			"On the other side: QEMU refuses everyone until a password is set (password-secret=, or set_password in its monitor) and after it has expired.")
	}
	return newTrouble(words, "On the other side: its log says why. A vncgate answers so where no rule of its policy lets us at the target: policy: [{who: NAME, targets: TARGET, allow: [control]}].")
}

// nothingInCommon says what to change so that there is a type that both speak.
func (d *doctor) nothingInCommon() error {
	offered := slices.Concat(d.offered, d.nested, d.tight)
	if len(d.nested) > 0 { // the envelope is not what is in the way
		offered = slices.DeleteFunc(offered, func(t rfb.SecurityType) bool { return t == rfb.TypeVeNCrypt })
	}
	words := "it offers nothing that can be spoken here: " + joined(offered)
	var advice []string
	for _, t := range offered {
		if slices.Contains(displaySecurity, t.String()) {
			words = "it offers nothing that the target's settings allow: " + joined(offered)
			advice = append(advice, fmt.Sprintf("On this side: the target's security leaves %s out; allow it, if it is strong enough.", t))
		}
	}
	for _, r := range remedies {
		if slices.ContainsFunc(offered, func(t rfb.SecurityType) bool { return slices.Contains(r.types, t) }) {
			advice = append(advice, "On the other side: "+r.advice)
		}
	}
	if len(advice) == 0 {
		advice = []string{"On the other side: allow one of " + strings.Join(displaySecurity, ", ") + "."}
	}
	return newTrouble(words, advice...)
}

// remedies are what to change on displays that offer only what cannot be
// spoken here.
var remedies = []struct {
	types  []rfb.SecurityType
	advice string
}{
	{
		[]rfb.SecurityType{rfb.TypeTLS, rfb.TypeTLSNone, rfb.TypeTLSVnc, rfb.TypeTLSPlain, rfb.TypeTLSSASL},
		"TLS without a certificate (anonymous Diffie-Hellman) exists nowhere in Go, and protects from no man in the middle. Give the server a certificate: " +
			"TigerVNC -SecurityTypes X509Vnc -X509Cert FILE -X509Key FILE; QEMU tls-creds-x509 in place of tls-creds-anon.",
	},
	{
		[]rfb.SecurityType{5, 6, 13, 129, 130, 133},
		"RealVNC: set Authentication to VNC Password and Encryption to PreferOff; TigerVNC and wayvnc: allow X509Plain or X509Vnc beside RA2.",
	},
	{[]rfb.SecurityType{30, 31, 32, 33, 34, 35, 36}, "macOS: Sharing > Screen Sharing > VNC viewers may control screen with password."},
	{[]rfb.SecurityType{17, 113, 0x70, 0x72, 0x73, 0x74, 0x75, 0x76}, "UltraVNC: set a VNC password; switch MS-Logon and encryption plugins off, and encrypt by a tunnel."},
	{[]rfb.SecurityType{rfb.TypePlain}, "offer x509-plain in place of plain, which shows the password to everybody on the way."},
	{[]rfb.SecurityType{rfb.TypeTight}, "allow VNC authentication beside Tight."},
}

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// displayFlags say what there is to say of one display beside its address.
type displayFlags struct {
	user         string
	passwordFile string
	ca           string
	name         string
	pin, rsaKey  string
	insecure     bool
	tls          bool
	cert, key    string
	security     []string
}

func (f *displayFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.user, "target-user", "", "`NAME` to log in to the display with")
	flags.StringVar(&f.passwordFile, "target-password-file", "", "`FILE` with the display's password; viewers never see it")
	flags.StringVar(&f.ca, "target-ca", "", "`FILE` with the CA that the display's certificate must come from (default: the system's)")
	flags.StringVar(&f.name, "target-name", "", "`NAME` that the certificate must bear (default: the address's host)")
	flags.StringVar(&f.pin, "target-pin", "", "`SHA256` of the certificate, which then counts by itself")
	flags.StringVar(&f.rsaKey, "target-rsa-key", "", "`SHA256` of the display's key for the ra2 types")
	flags.BoolVar(&f.insecure, "target-insecure", false, "log in whatever the certificate")
	flags.BoolVar(&f.tls, "target-tls", false, "TLS from the first byte")
	flags.StringVar(&f.cert, "target-cert", "", "`FILE` with our client certificate (PEM)")
	flags.StringVar(&f.key, "target-key", "", "`FILE` with its key (PEM)")
	flags.StringSliceVar(&f.security, "target-security", nil, "security `TYPES` to use, best first, such as x509-vnc,vnc")
}

// shortNames has a command that is about one display know its flags without
// "target-", too.
func shortNames(flags *pflag.FlagSet) {
	short := strings.Fields("user password-file ca name pin rsa-key insecure tls cert key security")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if slices.Contains(short, name) {
			name = "target-" + name
		}
		return pflag.NormalizedName(name)
	})
}

// described reports whether flags say anything of the display.
func (f *displayFlags) described() bool {
	return f.user != "" || f.passwordFile != "" || f.ca != "" || f.name != "" || f.pin != "" || f.rsaKey != "" ||
		f.insecure || f.tls || f.cert != "" || len(f.security) > 0
}

// at makes a target of an address and flags.
func (f *displayFlags) at(address string) (targetConfig, error) {
	t := targetConfig{User: f.user, Password: secretFile(f.passwordFile), Security: f.security, RSAKey: f.rsaKey}
	if (f.cert == "") != (f.key == "") {
		return t, errors.New("--target-cert and --target-key belong together")
	}
	if f.ca != "" || f.name != "" || f.pin != "" || f.insecure || f.tls || f.cert != "" {
		t.TLS = &clientTLSConfig{CA: f.ca, Name: f.name, Pin: f.pin, Insecure: f.insecure, Certificate: f.cert, Key: f.key, Implicit: f.tls}
	}
	switch scheme, _, isURL := strings.Cut(address, "://"); {
	case !isURL:
		t.Address = address
	case scheme == "ws" || scheme == "wss":
		t.URL = address
	case scheme == "http" || scheme == "https":
		return t, fmt.Errorf("%s is a page: a display is reached by ws:// or wss://", address)
	default:
		return t, fmt.Errorf("%s: write HOST:PORT, unix:PATH, ws://… or wss://…", address)
	}
	return t, nil
}

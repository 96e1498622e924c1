package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// openSSLSuites are the cipher suites of TLS 1.2 and older that exist in Go, by
// OpenSSL's names, the secure ones first. Those of TLS 1.3 are not for
// configuration, here or there.
func openSSLSuites() []openSSLSuite {
	return []openSSLSuite{
		{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
		{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
		{"ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		{"ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
		{"ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
		{"ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
		{"ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
		{"ECDHE-ECDSA-AES128-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256},
		{"ECDHE-RSA-AES128-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256},
		{"AES128-GCM-SHA256", tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
		{"AES256-GCM-SHA384", tls.TLS_RSA_WITH_AES_256_GCM_SHA384},
		{"AES128-SHA256", tls.TLS_RSA_WITH_AES_128_CBC_SHA256},
		{"AES128-SHA", tls.TLS_RSA_WITH_AES_128_CBC_SHA},
		{"AES256-SHA", tls.TLS_RSA_WITH_AES_256_CBC_SHA},
		{"ECDHE-RSA-DES-CBC3-SHA", tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA},
		{"DES-CBC3-SHA", tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
	}
}

type openSSLSuite struct {
	name string
	id   uint16
}

// keywords are what stands for many suites in a list (openssl-ciphers(1)); an
// empty func is for those that exist in OpenSSL and not in Go.
func cipherKeyword(word string) (fits func(name string) bool, known bool) {
	has := func(part string) (func(string) bool, bool) {
		return func(name string) bool { return strings.Contains(name, part) }, true
	}
	switch word {
	case "ALL":
		return func(string) bool { return true }, true
	case "DEFAULT":
		return func(name string) bool { return strings.HasPrefix(name, "ECDHE-") && isHigh(name) }, true
	case "HIGH", "COMPLEMENTOFDEFAULT":
		return isHigh, true
	case "ECDHE", "EECDH", "kECDHE", "kEECDH":
		return has("ECDHE-")
	case "RSA", "kRSA":
		return func(name string) bool { return !strings.HasPrefix(name, "ECDHE-") }, true
	case "aRSA":
		return func(name string) bool { return !strings.Contains(name, "ECDSA") }, true
	case "ECDSA", "aECDSA":
		return has("ECDSA")
	case "AES":
		return has("AES")
	case "AES128", "AES256", "CHACHA20":
		return has(word)
	case "AESGCM":
		return has("GCM")
	case "3DES", "MEDIUM":
		return has("DES-CBC3")
	case "SHA", "SHA1":
		return func(name string) bool { return strings.HasSuffix(name, "-SHA") }, true
	case "SHA256", "SHA384": // the MAC; GCM and ChaCha20 have their own
		return func(name string) bool {
			return strings.HasSuffix(name, word) && !strings.Contains(name, "GCM") && !strings.Contains(name, "POLY1305")
		}, true
	case "TLSv1.2":
		return isTLS12, true
	case "TLSv1", "TLSv1.0", "SSLv3":
		return func(name string) bool { return !isTLS12(name) }, true
	}
	return func(string) bool { return false }, slices.Contains(foreignKeywords(), word)
}

// foreignKeywords stand for suites that Go does not have, which lists often
// shut out: "HIGH:!aNULL:!MD5".
func foreignKeywords() []string {
	return strings.Fields("aNULL eNULL NULL LOW EXP EXPORT EXPORT40 EXPORT56 ADH AECDH DH DHE EDH kDHE kEDH kDH DSS aDSS ECDH kECDH aDH aECDH " +
		"PSK kPSK aPSK kECDHEPSK kDHEPSK kRSAPSK SRP kSRP aSRP DES RC2 RC4 IDEA SEED CAMELLIA CAMELLIA128 CAMELLIA256 ARIA ARIA128 ARIA256 " +
		"AESCCM AESCCM8 MD5 SSLv2 KRB5 GOST kGOST aGOST CBC SUITEB128 SUITEB128ONLY SUITEB192")
}

func isHigh(name string) bool { return !strings.Contains(name, "DES-CBC3") }

func isTLS12(name string) bool {
	return strings.Contains(name, "GCM") || strings.Contains(name, "POLY1305") || strings.HasSuffix(name, "SHA256")
}

// parseCiphers reads a list in OpenSSL's language. What it names and Go does
// not have is returned as unknown; a list that leaves nothing is an error.
func parseCiphers(list string) (suites []uint16, unknown []string, err error) {
	var chosen, killed []openSSLSuite
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":, ;", r) }) {
		if strings.HasPrefix(item, "@") {
			continue // an order or a level: Go keeps both itself
		}
		sign, words := item[0], strings.TrimLeft(item, "!-+")
		fits, ok := suitesOf(words)
		if !ok {
			unknown = append(unknown, words)
		}
		switch sign {
		case '!':
			killed = append(killed, fits...)
			chosen = without(chosen, fits)
		case '-':
			chosen = without(chosen, fits)
		case '+': // to the end, and Go keeps the order itself
		default:
			chosen = append(chosen, without(without(fits, killed), chosen)...)
		}
	}
	for _, s := range chosen {
		suites = append(suites, s.id)
	}
	if len(suites) == 0 {
		return nil, unknown, errors.New("it leaves no cipher suite that exists here; such as ECDHE-RSA-AES128-GCM-SHA256 does, or HIGH")
	}
	return suites, unknown, nil
}

// suitesOf finds the suites that all words joined by "+" fit.
func suitesOf(words string) (fit []openSSLSuite, known bool) {
	fit, known = openSSLSuites(), true
	for _, word := range strings.Split(words, "+") {
		fits, ok := cipherKeyword(word)
		if slices.ContainsFunc(openSSLSuites(), func(s openSSLSuite) bool { return s.name == word }) {
			fits, ok = func(name string) bool { return name == word }, true
		}
		known = known && ok
		fit = slices.DeleteFunc(fit, func(s openSSLSuite) bool { return !fits(s.name) })
	}
	return fit, known
}

func without(suites, these []openSSLSuite) []openSSLSuite {
	return slices.DeleteFunc(slices.Clone(suites), func(s openSSLSuite) bool { return slices.Contains(these, s) })
}

// cipherWarning says which parts of a list are without effect.
func cipherWarning(unknown []string) string {
	return fmt.Sprintf("--ssl-ciphers: %s: not known here, so without effect", strings.Join(unknown, ", "))
}

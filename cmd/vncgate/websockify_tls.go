package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"vncgate/certs"
)

// sslVersions are the values of --ssl-version.
func sslVersions() []string { return []string{"default", "tlsv1_1", "tlsv1_2", "tlsv1_3"} }

// minVersion is the oldest TLS to accept.
func (o *websockifyOptions) minVersion() uint16 {
	switch o.sslVersion {
	case "tlsv1_1":
		return tls.VersionTLS11
	case "tlsv1_3":
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// serverTLS is how connections that begin with a TLS hello are answered; nil
// where there is no certificate.
func (o *websockifyOptions) serverTLS(log *slog.Logger) (*tls.Config, error) {
	pair, err := o.certificate(log)
	if pair == nil || err != nil {
		return nil, err
	}
	config := &tls.Config{GetCertificate: pair.GetCertificate, MinVersion: o.minVersion()}
	if o.sslCiphers != "" {
		suites, unknown, err := parseCiphers(o.sslCiphers)
		if err != nil {
			return nil, usagef("--ssl-ciphers: %w", err)
		}
		if len(unknown) > 0 {
			log.Warn(cipherWarning(unknown))
		}
		config.CipherSuites = suites
	}
	return config, o.demandCertificates(config, log)
}

// certificate reads the pair that --cert and --key name. Without the file TLS
// is off, as in websockify; other than there, the log says so.
func (o *websockifyOptions) certificate(log *slog.Logger) (*certs.KeyPair, error) {
	cert, key := o.certFiles()
	if _, err := os.Stat(cert); errors.Is(err, fs.ErrNotExist) {
		if o.sslOnly {
			return nil, usagef("--ssl-only needs a certificate, and %s is not there; --cert FILE names another, and 'vncgate cert make' makes one to try with", cert)
		}
		if o.cert != "" || o.verifyClient {
			log.Warn("TLS is off, for the certificate is not there", "cert", cert)
		}
		return nil, nil
	}
	pair, err := o.loadPair(cert, key)
	if err != nil {
		return nil, err
	}
	pair.Report = func(err error) { log.Warn("the certificate stays the one that was loaded", "error", err) }
	if warning := pair.Warning(); warning != "" {
		log.Warn("certificate: " + warning)
	}
	return pair, nil
}

func (o *websockifyOptions) certFiles() (cert, key string) {
	cert, key = o.cert, o.key
	if cert == "" {
		cert = defaultCert
	}
	if key == "" {
		key = cert
	}
	return cert, key
}

func (o *websockifyOptions) loadPair(cert, key string) (*certs.KeyPair, error) {
	if o.keyPassword != "" {
		return certs.LoadEncrypted(cert, key, o.keyPassword)
	}
	return certs.Load(cert, key)
}

// demandCertificates has clients show one, if --verify-client says so.
func (o *websockifyOptions) demandCertificates(config *tls.Config, log *slog.Logger) error {
	if !o.verifyClient {
		return nil
	}
	if !o.sslOnly {
		log.Warn("whoever comes without TLS needs no certificate; --ssl-only keeps them out")
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	if o.cafile == "" {
		return nil // nil ClientCAs are the system's
	}
	cas, err := certs.ReadCertificates(o.cafile)
	if err != nil {
		return fmt.Errorf("--cafile: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	for _, ca := range cas {
		config.ClientCAs.AddCert(ca)
	}
	return nil
}

package certs

import "crypto/x509"

// Pool returns the authorities in PEM (or DER) files, and no others: what to
// trust of displays, or of viewers with certificates. Without a file it
// returns nil, which crypto/tls takes as the machine's roots.
func Pool(files ...string) (*x509.CertPool, error) {
	if len(files) == 0 {
		return nil, nil
	}
	pool := x509.NewCertPool()
	for _, file := range files {
		certs, err := ReadCertificates(file)
		if err != nil {
			return nil, err
		}
		for _, cert := range certs {
			pool.AddCert(cert)
		}
	}
	return pool, nil
}

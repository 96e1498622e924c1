package auth

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"

	"github.com/xdg-go/scram"
)

// Binding is what a SCRAM exchange can be bound to, so that it proves nothing
// on any other TLS connection than the one it runs in: a man in the middle with
// a certificate of his own gets nowhere. An end that uses it must have TLS
// directly below; behind somebody else's TLS there is none. The zero Binding
// binds nothing.
type Binding struct {
	Exporter []byte // tls-exporter (RFC 9266): 32 bytes; nil: not available
	EndPoint []byte // tls-server-end-point (RFC 5929, 4); nil: not available
}

// What RFC 9266, 4.2 exports.
const (
	exporterLabel = "EXPORTER-Channel-Binding"
	exporterLen   = 32
)

// NewBinding takes the binding of a TLS connection whose handshake is done.
// server is the leaf of the server's certificate: our own in front, the first
// of cs.PeerCertificates towards a display; nil leaves EndPoint out. TLS 1.2
// without the extended master secret has no Exporter (RFC 9266, 4.2).
func NewBinding(cs tls.ConnectionState, server *x509.Certificate) Binding {
	if !cs.HandshakeComplete {
		return Binding{}
	}
	b := Binding{EndPoint: endPoint(server)}
	// The context has no bytes but is there: TLS 1.2 tells that from none at all
	// (RFC 5705, 4). crypto/tls itself refuses where the master secret is not
	// unique to the connection.
	if key, err := cs.ExportKeyingMaterial(exporterLabel, []byte{}, exporterLen); err == nil {
		b.Exporter = key
	}
	return b
}

// endPoint hashes a certificate with the hash of its signature; MD5 and SHA-1
// become SHA-256. Signatures without a hash of their own, or with several
// (Ed25519), have no such binding.
func endPoint(server *x509.Certificate) []byte {
	if server == nil {
		return nil
	}
	var hash crypto.Hash
	switch server.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256, x509.DSAWithSHA256:
		hash = crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	default:
		return nil
	}
	h := hash.New()
	h.Write(server.Raw)
	return h.Sum(nil)
}

func (b Binding) available() bool { return len(b.Exporter) > 0 || len(b.EndPoint) > 0 }

// of returns the binding of the type that a client names; !IsSupported when we
// have none of that type.
func (b Binding) of(name string) scram.ChannelBinding {
	switch t := scram.ChannelBindingType(name); t {
	case scram.ChannelBindingTLSExporter:
		return scram.ChannelBinding{Type: t, Data: b.Exporter}
	case scram.ChannelBindingTLSServerEndpoint:
		return scram.ChannelBinding{Type: t, Data: b.EndPoint}
	}
	return scram.ChannelBinding{}
}

// best is what we bind to as a client: tls-exporter, the default of TLS 1.3.
func (b Binding) best() scram.ChannelBinding {
	if len(b.Exporter) > 0 {
		return b.of(string(scram.ChannelBindingTLSExporter))
	}
	return b.of(string(scram.ChannelBindingTLSServerEndpoint))
}

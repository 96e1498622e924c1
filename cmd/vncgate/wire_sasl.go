package main

import (
	"context"
	"fmt"
	"net"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// Kerberos may end its exchange with a security layer. Package auth makes the
// tokens, package layers carries them, and rfb starts them behind the
// SecurityResult; they meet here.

// mechanism is the server's side of an exchange, with the layer it may have.
type mechanism struct{ *auth.Mechanism }

// SecurityLayer is nil where none was agreed on.
func (m mechanism) SecurityLayer() rfb.Upgrade { return securityLayer(m.Layer()) }

// kerberosClient is the client's side of GSSAPI.
type kerberosClient struct{ *auth.GSSAPIClient }

// SecurityLayer is nil where none was agreed on.
func (k kerberosClient) SecurityLayer() rfb.Upgrade { return securityLayer(k.Layer()) }

func securityLayer(l auth.SecurityLayer, ok bool) rfb.Upgrade {
	if !ok {
		return nil
	}
	return rfb.Upgrade(layers.SASL(layers.SASLCodec(l)))
}

// service is nil without Kerberos.
func (k *kerberosConfig) service() (*auth.KerberosService, error) {
	if k == nil {
		return nil, nil
	}
	s := &auth.KerberosService{Keytab: k.Keytab, Principal: k.Principal, Realm: k.Realm}
	return s, s.Check()
}

// mechanism begins an exchange with the strongest mechanism of a display that
// the target's settings serve over c.
func (t *targetConfig) mechanism(ctx context.Context, offered []string, c net.Conn, overTLS bool) (rfb.SASLClientMechanism, error) {
	cred := t.saslCredentials(c, overTLS)
	if t.Kerberos != nil {
		kerberos, err := t.Kerberos.credentials(ctx)
		if err != nil {
			return nil, fmt.Errorf("kerberos: password: %w", err)
		}
		cred.Kerberos, cred.Service = kerberos, t.Kerberos.Service
		if cred.Service == "" {
			cred.Service = "vnc/" + t.host()
		}
	}
	m, err := auth.ChooseClient(ctx, offered, cred)
	if k, ok := m.(*auth.GSSAPIClient); ok {
		return kerberosClient{k}, err
	}
	return m, err
}

func (k *displayKerberosConfig) credentials(ctx context.Context) (*auth.KerberosCredentials, error) {
	cred := &auth.KerberosCredentials{Config: k.Config, Principal: k.Principal, Keytab: k.Keytab, CCache: k.CCache}
	if k.Password == nil {
		return cred, nil
	}
	var err error
	cred.Password, err = k.Password.read(ctx)
	return cred, err
}

package tickets

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"vncgate/auth"
)

// The age of a ticket must lie between these, exclusively
// (pve-access-control:src/PVE/AccessControl.pm, verify_vnc_ticket).
const (
	minTicketAge = -20 * time.Second
	maxTicketAge = 40 * time.Second
)

// ProxmoxTicketConfig says how tickets of Proxmox VE are checked, for a gateway
// that stands where the nodes' ports can be reached.
type ProxmoxTicketConfig struct {
	// KeyFile is the cluster's public key, /etc/pve/authkey.pub. Proxmox changes
	// it every day, so it is read again when it changes.
	KeyFile string
	// Nodes are where the nodes are, host by name of the node.
	Nodes map[string]string
	// TLS says that the nodes' ports speak TLS: those that vncproxy opens without
	// websocket=1. Those with it listen on the node's loopback alone.
	TLS bool
	// Portless takes tickets of releases that did not sign the port.
	Portless bool
	// Report is told, once for each, of a changed KeyFile that could not be
	// used; the key stays as it was.
	Report func(error)
}

// ProxmoxTicket is a source whose tokens are what POST …/vncproxy answers, as
// the query of a URL, as that of vncwebsocket has it, with node, vmid and user:
//
//	node=pve1&vmid=100&user=root%40pam&port=5901&vncticket=PVEVNC%3A…
//
// The ticket's signature binds the user, /vms/vmid and the port, not the node:
// the display's own password, which stands before the ticket or comes as
// password=, does that. Tickets may be used until they are 40 s old; the node's
// port takes the first viewer only.
type ProxmoxTicket struct {
	cfg ProxmoxTicketConfig
	key *auth.Watched[*rsa.PublicKey]
}

// NewProxmoxTicket reads the key.
func NewProxmoxTicket(cfg ProxmoxTicketConfig) (*ProxmoxTicket, error) {
	for node, host := range cfg.Nodes {
		if _, err := JoinAddress(host, "5900"); err != nil {
			return nil, fmt.Errorf("tickets: proxmox: the host of node %q: %w", node, err)
		}
	}
	if len(cfg.Nodes) == 0 {
		return nil, errors.New("tickets: proxmox: no nodes: say where each of them is")
	}
	key, err := auth.Watch("proxmox key", cfg.KeyFile, maxKeyText, parseRSAKey)
	if err != nil {
		return nil, fmt.Errorf("tickets: %w", err)
	}
	return &ProxmoxTicket{cfg, key}, nil
}

func parseRSAKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("not a PEM file")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	}
	public, ok := key.(*rsa.PublicKey)
	if err != nil || !ok || public.N.BitLen() < minRSABits {
		return nil, fmt.Errorf("not an RSA public key of %d bits or more", minRSABits)
	}
	return public, nil
}

var (
	vncTicket = regexp.MustCompile(`^(?:([!-~]{8}):)?(PVEVNC:([0-9A-F]{8}))::([A-Za-z0-9+/]+={0,2})$`)
	pveUser   = regexp.MustCompile(`^[^\s:/@!]{1,64}(?:@[^\s:/@!]{1,64})?@[A-Za-z][A-Za-z0-9._-]{1,31}(?:![A-Za-z][A-Za-z0-9._-]{1,64})?$`)
	pveVMID   = regexp.MustCompile(`^[1-9][0-9]{2,8}$`)
)

// Lookup checks a ticket.
func (p *ProxmoxTicket) Lookup(_ context.Context, token string) (Ticket, error) {
	if len(token) > maxSealed {
		return Ticket{}, refused("proxmox", "it is too large")
	}
	said, err := proxmoxQuery(token)
	if err != nil {
		return Ticket{}, refused("proxmox", err.Error())
	}
	if err := p.verify(said); err != nil {
		return Ticket{}, refused("proxmox", err.Error())
	}
	host, ok := p.cfg.Nodes[said["node"]]
	if !ok {
		return Ticket{}, refused("proxmox", "its node is not configured")
	}
	address, err := JoinAddress(host, said["port"])
	if err != nil {
		return Ticket{}, refused("proxmox", err.Error())
	}
	password := said["password"]
	if password == "" {
		password = vncTicket.FindStringSubmatch(said["vncticket"])[1]
	}
	return Ticket{
		Address: address, TLS: p.cfg.TLS, Password: password,
		Identity: auth.Identity{Name: said["user"], Method: "proxmox"},
	}, nil
}

// proxmoxQuery reads the parameters, each of them once and no others.
func proxmoxQuery(token string) (map[string]string, error) {
	query, err := url.ParseQuery(token)
	if err != nil {
		return nil, errors.New("it is not the query of a URL")
	}
	said := map[string]string{"node": "", "vmid": "", "user": "", "port": "", "vncticket": "", "password": ""}
	for name, values := range query {
		if _, known := said[name]; !known || len(values) != 1 {
			return nil, errors.New("it has a parameter twice, or one that is none")
		}
		said[name] = values[0]
	}
	port, err := strconv.ParseUint(said["port"], 10, 16)
	switch {
	case err != nil || port < 5900 || port > 5999 || strconv.FormatUint(port, 10) != said["port"]:
		return nil, errors.New("its port is not from 5900 to 5999")
	case !pveVMID.MatchString(said["vmid"]) || !pveUser.MatchString(said["user"]) || !vncTicket.MatchString(said["vncticket"]):
		return nil, errors.New("its vmid, user or vncticket is missing or malformed")
	case len(said["password"]) > maxVNCPassword:
		return nil, errors.New("its password is longer than VNC takes")
	}
	return said, nil
}

// verify checks signature and age. Which digest is signed is up to the node's
// Crypt::OpenSSL::RSA, SHA-1 or by now SHA-256: its default is used.
func (p *ProxmoxTicket) verify(said map[string]string) error {
	m := vncTicket.FindStringSubmatch(said["vncticket"])
	plain, stamp := m[2], m[3]
	signature, err := base64.StdEncoding.DecodeString(m[4])
	if err != nil {
		return errors.New("its signature is not base64")
	}
	text := plain + ":" + said["user"] + ":/vms/" + said["vmid"]
	signed := p.signedBy(text+":"+said["port"], signature) || p.cfg.Portless && p.signedBy(text, signature)
	if !signed {
		return errors.New("its signature is wrong: it was changed, or signed with another key")
	}
	seconds, _ := strconv.ParseUint(stamp, 16, 32) // the pattern allows nothing else
	age := time.Since(time.Unix(int64(seconds), 0))
	if age <= minTicketAge || age >= maxTicketAge {
		return errors.New("it is too old, or the clocks differ")
	}
	return nil
}

func (p *ProxmoxTicket) signedBy(text string, signature []byte) bool {
	key, broken := p.key.Current()
	if broken != nil && p.cfg.Report != nil {
		p.cfg.Report(broken)
	}
	long, short := sha256.Sum256([]byte(text)), sha1.Sum([]byte(text))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, long[:], signature) == nil ||
		rsa.VerifyPKCS1v15(key, crypto.SHA1, short[:], signature) == nil
}

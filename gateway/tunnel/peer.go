package tunnel

import (
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"time"

	"vncgate/certs"
)

// A Peer is an agent as its connection has proved it.
type Peer struct {
	// Name is the agent's. Where the connection proves none, as a unix socket
	// does not, it is "" and the agent's own word, if one of Names allows it.
	Name string
	// Names are patterns (path.Match) of names to choose from without a proof.
	Names []string
	// Means says what has proved the name: "certificate", "unix".
	Means string
	// Serial is the certificate's serial number, or "".
	Serial string
	// Issued is when the certificate was, and Expires until when it is good; or zero.
	Issued, Expires time.Time
	// From is where it comes from; nil: the connection's remote address.
	From net.Addr
	// Services are patterns (path.Match) of the services that it may announce;
	// none allow none.
	Services []string
}

// named is the name of an agent that calls itself as said.
func (p *Peer) named(said string) (string, error) {
	switch {
	case p.Name != "" && (said == "" || said == p.Name):
		return p.Name, certs.CheckWord(p.Name)
	case p.Name != "":
		return "", fmt.Errorf("it calls itself %s, but its %s says %s: leave its --name out", said, p.Means, p.Name)
	case said == "":
		return "", errors.New("it has no name, and nothing here proves one: give it --name")
	case !matches(p.Names, said):
		return "", fmt.Errorf("no agent may call itself %s here: the gateway's configuration lists the names that may", said)
	}
	return said, nil
}

// announce checks the services against what the peer may announce.
func (p *Peer) announce(name string, services []string) error {
	for _, s := range services {
		if !matches(p.Services, s) {
			return fmt.Errorf("agent %s may not announce the service %s, only %s", name, s, wordsOr(strings.Join(p.Services, ", "), "none at all"))
		}
	}
	return nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

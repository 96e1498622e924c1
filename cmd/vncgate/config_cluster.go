package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"vncgate/auth/capability"
	"vncgate/auth/tickets"
	"vncgate/certs"
	"vncgate/gateway/cluster"
)

// clusterConfig joins several gateways over one Redis.
type clusterConfig struct {
	Redis        redisSource   `yaml:"redis"`
	Prefix       string        `yaml:"prefix,omitempty"`       // of all keys; default: vncgate
	Node         string        `yaml:"node,omitempty"`         // default: this machine's name
	Listen       string        `yaml:"listen,omitempty"`       // for the other nodes
	Address      string        `yaml:"address,omitempty"`      // where they reach it; default: the address by which Redis is reached
	Certificates string        `yaml:"certificates,omitempty"` // folder: ca.crt, node-NAME.crt and .key
	Alone        string        `yaml:"alone,omitempty"`        // closed or local: who comes in while Redis is away
	Expire       time.Duration `yaml:"expire,omitempty"`       // after which a node counts as lost
}

const defaultClusterPrefix = "vncgate"

// redisTokens keeps tokens in Redis.
type redisTokens struct {
	Server redisSource `yaml:",inline"`
	Prefix string      `yaml:"prefix,omitempty"` // of all keys; default: vncgate:tokens:
	Secret *secret     `yaml:"secret"`           // seals the keys that sign; the same at all gateways
}

const (
	defaultTokensPrefix = "vncgate:tokens:"
	leastSealSecret     = 32
)

// only refuses what is of sources.
func (r *redisSource) only() error {
	if r.Namespace != "" || r.Keep != 0 || r.KeepUnknown != 0 || r.Once {
		return errors.New("namespace, keep, keep_unknown and once are of sources; leave them out (prefix: says what keys begin with)")
	}
	return nil
}

func (c *config) validateCluster() error {
	if c.Cluster == nil {
		return nil
	}
	if err := c.Cluster.validate(); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

func (c *clusterConfig) validate() error {
	if len(c.Redis.Addresses) == 0 {
		return errors.New("redis: addresses: is missing; write redis: {addresses: [redis.internal:6379]}")
	}
	if err := c.Redis.only(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	if c.Node != "" && certs.CheckWord(c.Node) != nil {
		return fmt.Errorf("node: %q is no name: letters, digits, - _ and . are, up to 64", c.Node)
	}
	if _, err := cluster.ParseAlone(c.Alone); err != nil {
		return fmt.Errorf("alone: %w", notOneOf("rule", c.Alone, []string{"closed", "local"}))
	}
	if c.Expire != 0 && (c.Expire < time.Second || c.Expire > 10*time.Minute) {
		return errors.New("expire: is from 1s to 10m")
	}
	switch {
	case c.Listen == "" && (c.Address != "" || c.Certificates != ""):
		return errors.New("listen: is missing: where other nodes come in, such as :7443; without it nodes share limits and tokens, and no command and no agent reaches the others")
	case c.Listen != "" && c.Certificates == "":
		return errors.New("certificates: is missing: the folder with ca.crt and this node's certificate ('vncgate cert node NAME' makes them); without it anybody who reaches listen could steer the gateway")
	case c.Address != "":
		if _, port, err := net.SplitHostPort(c.Address); err != nil || port == "" {
			return fmt.Errorf("address: %q is not HOST:PORT, such as a.internal:7443", c.Address)
		}
	}
	return nil
}

// node is this one's name.
func (c *clusterConfig) node() (string, error) {
	if c.Node != "" {
		return c.Node, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("node: is missing, and this machine says no name: %w", err)
	}
	if err := certs.CheckWord(name); err != nil {
		return "", fmt.Errorf("node: is missing, and this machine's name %q can be none: %w", name, err)
	}
	return name, nil
}

// reached is where the others reach the socket at: what the configuration says,
// else the address of this machine that leads to Redis.
func (c *clusterConfig) reached(at net.Addr) (string, error) {
	if c.Address != "" {
		return c.Address, nil
	}
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return "", errors.New("address: is missing: where do other nodes reach listen? write a.internal:7443")
	}
	if !tcp.IP.IsUnspecified() {
		return tcp.String(), nil
	}
	probe, err := net.Dial("udp", c.Redis.Addresses[0]) // sends nothing
	if err != nil {
		return "", fmt.Errorf("address: is missing, and which of this machine's leads to Redis is not known: %w", err)
	}
	defer probe.Close()
	host, _, err := net.SplitHostPort(probe.LocalAddr().String())
	if err != nil {
		return "", fmt.Errorf("address: %w", err)
	}
	return net.JoinHostPort(host, fmt.Sprint(tcp.Port)), nil
}

func (c *clusterConfig) prefix() string {
	if c == nil || c.Prefix == "" {
		return defaultClusterPrefix
	}
	return c.Prefix
}

// server is what Redis is reached by.
func (r *redisSource) server(ctx context.Context) (tickets.RedisConfig, error) {
	server, err := r.config(ctx)
	if err != nil {
		return server, fmt.Errorf("redis: %w", err)
	}
	return server, nil
}

func (r *redisTokens) validate(c *config) error {
	if err := r.Server.only(); err != nil {
		return err
	}
	if len(r.Server.Addresses) == 0 && c.Cluster == nil {
		return errors.New("addresses: is missing; write addresses: [redis.internal:6379]")
	}
	if r.Secret == nil {
		return errors.New("secret: is missing: it seals the keys that sign tokens, and is the same at all gateways; write secret: {file: PATH}, and make it with: openssl rand -hex 32")
	}
	return nil
}

// store is how tokens are kept in Redis: the server is the cluster's where none is
// named.
func (r *redisTokens) store(ctx context.Context, c *clusterConfig) (capability.RedisStoreConfig, error) {
	rc := capability.RedisStoreConfig{Prefix: r.Prefix}
	server := r.Server
	if c != nil {
		if len(server.Addresses) == 0 {
			server = c.Redis
		}
		rc.Expire, rc.Alone = c.Expire, c.Alone == "local"
	}
	if rc.Prefix == "" {
		rc.Prefix = defaultTokensPrefix
		if c != nil && c.Prefix != "" {
			rc.Prefix = c.Prefix + ":tokens:"
		}
	}
	var err error
	if rc.Server, err = server.server(ctx); err != nil {
		return rc, err
	}
	text, err := r.Secret.read(ctx)
	if err != nil {
		return rc, fmt.Errorf("redis: secret: %w", err)
	}
	if len(text) < leastSealSecret {
		return rc, fmt.Errorf("redis: secret: has fewer than %d characters; make one with: openssl rand -hex 32", leastSealSecret)
	}
	rc.Secret = []byte(text)
	return rc, nil
}

// apart is s with what it has from the cluster written out, for --check, which
// joins no cluster.
func (s *capabilitiesConfig) apart(c *clusterConfig) *capabilitiesConfig {
	if s == nil || s.Redis == nil || c == nil {
		return s
	}
	shown, tokens := *s, *s.Redis
	if len(tokens.Server.Addresses) == 0 {
		tokens.Server = c.Redis
	}
	if tokens.Prefix == "" && c.Prefix != "" {
		tokens.Prefix = c.Prefix + ":tokens:"
	}
	shown.Redis = &tokens
	return &shown
}

// usable says, for --check, whether the files are there that nodes prove
// themselves by.
func (c *clusterConfig) usable() error {
	if c == nil {
		return nil
	}
	node, err := c.node()
	if err == nil && c.Listen != "" {
		if _, err = openHopTLS(c.Certificates, node); err != nil {
			err = fmt.Errorf("certificates: %w", err)
		}
	}
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

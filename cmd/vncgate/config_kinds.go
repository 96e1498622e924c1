package main

import "time"

// The kinds of sources, each with the settings that are its own.

// peerTLSConfig is TLS to a service that a source asks.
type peerTLSConfig struct {
	CA          string `yaml:"ca,omitempty"`
	Name        string `yaml:"name,omitempty"`
	Certificate string `yaml:"certificate,omitempty"`
	Key         string `yaml:"key,omitempty"`
}

// httpSource asks a web service of one's own.
type httpSource struct {
	URL         serviceURL         `yaml:"url"` // with {token} in it
	Headers     map[string]*secret `yaml:"headers,omitempty"`
	TLS         *peerTLSConfig     `yaml:"tls,omitempty"`
	Timeout     time.Duration      `yaml:"timeout,omitempty"`
	Keep        time.Duration      `yaml:"keep,omitempty"`         // how long a good answer is used again
	KeepUnknown time.Duration      `yaml:"keep_unknown,omitempty"` // how long an unknown token is not asked for again
}

// redisSource reads values from Redis.
type redisSource struct {
	Addresses        []string       `yaml:"addresses"`
	Cluster          bool           `yaml:"cluster,omitempty"`
	Master           string         `yaml:"master,omitempty"` // the name that sentinels know it by
	User             string         `yaml:"user,omitempty"`
	Password         *secret        `yaml:"password,omitempty"`
	SentinelUser     string         `yaml:"sentinel_user,omitempty"`
	SentinelPassword *secret        `yaml:"sentinel_password,omitempty"`
	DB               int            `yaml:"db,omitempty"`
	TLS              *peerTLSConfig `yaml:"tls,omitempty"`
	Namespace        string         `yaml:"namespace,omitempty"` // stands with a colon in front of a key
	Timeout          time.Duration  `yaml:"timeout,omitempty"`
	Keep             time.Duration  `yaml:"keep,omitempty"`
	KeepUnknown      time.Duration  `yaml:"keep_unknown,omitempty"`
	Once             bool           `yaml:"once,omitempty"` // a session takes its token's value away
}

// jwtSource reads signed tokens.
type jwtSource struct {
	Algorithms    []string       `yaml:"algorithms"`
	Keys          string         `yaml:"keys,omitempty"`     // file: PEM, JWK or JWKS
	KeysURL       serviceURL     `yaml:"keys_url,omitempty"` // a JWKS that is fetched
	TLS           *peerTLSConfig `yaml:"tls,omitempty"`      // to keys_url
	Secret        *secret        `yaml:"secret,omitempty"`   // of HS256 and its like
	Issuer        string         `yaml:"issuer,omitempty"`
	Audience      string         `yaml:"audience,omitempty"`
	NameClaim     string         `yaml:"name_claim,omitempty"`
	GroupsClaim   string         `yaml:"groups_claim,omitempty"`
	Decrypt       *decryptConfig `yaml:"decrypt,omitempty"`
	EncryptedOnly bool           `yaml:"encrypted_only,omitempty"`
	OnlyStart     bool           `yaml:"only_start,omitempty"` // exp bounds when a session begins, not when it ends
}

// decryptConfig is how encrypted tokens are opened.
type decryptConfig struct {
	KeyAlgorithms []string `yaml:"key_algorithms"`
	Encryptions   []string `yaml:"encryptions,omitempty"`
	Keys          string   `yaml:"keys,omitempty"`
	Secret        *secret  `yaml:"secret,omitempty"`
}

// novaSource asks OpenStack's compute API.
type novaSource struct {
	URL      serviceURL      `yaml:"url"`
	Token    *secret         `yaml:"token,omitempty"`
	Keystone *keystoneConfig `yaml:"keystone,omitempty"` // instead of a token
	TLS      *peerTLSConfig  `yaml:"tls,omitempty"`
	Plain    bool            `yaml:"plain,omitempty"` // allow http
}

// keystoneConfig logs in to OpenStack.
type keystoneConfig struct {
	URL           serviceURL `yaml:"url"`
	User          string     `yaml:"user,omitempty"`
	UserDomain    string     `yaml:"user_domain,omitempty"`
	Project       string     `yaml:"project,omitempty"`
	ProjectDomain string     `yaml:"project_domain,omitempty"`
	Credential    string     `yaml:"credential,omitempty"` // an application credential's ID, instead of a user
	Secret        *secret    `yaml:"secret"`               // the password, or the credential's secret
}

// proxmoxSource has the API of Proxmox VE open displays: its keys are names.
type proxmoxSource struct {
	URL   serviceURL     `yaml:"url"`
	Token *secret        `yaml:"token"`
	TLS   *peerTLSConfig `yaml:"tls,omitempty"`
	Plain bool           `yaml:"plain,omitempty"` // allow http
}

// proxmoxTickets checks tickets that others got from Proxmox VE.
type proxmoxTickets struct {
	Key      string            `yaml:"key"`   // file: the cluster's public key, authkey.pub
	Nodes    map[string]string `yaml:"nodes"` // hosts by the names of the nodes
	TLS      bool              `yaml:"tls,omitempty"`
	Portless bool              `yaml:"portless,omitempty"`
}

// ovirtSource checks tickets of oVirt's engine.
type ovirtSource struct {
	Certificate string        `yaml:"certificate,omitempty"` // file: the engine's
	CA          string        `yaml:"ca,omitempty"`          // file: the engine's CA; purpose is then needed
	Purpose     string        `yaml:"purpose,omitempty"`     // OID of the extended key usage
	Skew        time.Duration `yaml:"skew,omitempty"`        // by how much clocks may differ
}

// sharedSecretSource opens tokens by a key that both sides know.
type sharedSecretSource struct {
	Key     *secret `yaml:"key"`
	Endless bool    `yaml:"endless,omitempty"` // take tokens that never expire
}

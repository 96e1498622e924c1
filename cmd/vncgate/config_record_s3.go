package main

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// recordS3Config is a bucket of a server that speaks S3.
type recordS3Config struct {
	Endpoint  string  `yaml:"endpoint"` // https://HOST[:PORT]
	Bucket    string  `yaml:"bucket"`
	Region    string  `yaml:"region,omitempty"` // default: what the server says
	Prefix    string  `yaml:"prefix,omitempty"` // of the objects' names
	AccessKey *secret `yaml:"access_key"`
	SecretKey *secret `yaml:"secret_key"`
	PathStyle bool    `yaml:"path_style,omitempty"` // https://HOST/BUCKET, and not https://BUCKET.HOST
	CA        string  `yaml:"ca,omitempty"`         // file: the authority of the server's certificate
	Plain     bool    `yaml:"plain,omitempty"`      // allow http
}

var (
	bucketText = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9/_.=-]{0,199}$`)
)

// validate is called with the recordings that go there.
func (s *recordS3Config) validate(r *recordingsConfig) error {
	if s == nil {
		return nil
	}
	u, err := url.Parse(s.Endpoint)
	switch {
	case s.Endpoint == "":
		return errors.New("endpoint is missing, such as https://s3.example")
	case err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return errors.New("endpoint: is no address of a server; write https://HOST or https://HOST:PORT, and the bucket by itself")
	case u.Scheme == "http" && !s.Plain:
		return errors.New("endpoint: http shows recordings to whoever is on the way; use https, or say plain: true")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("endpoint: %w", notOneOf("scheme", u.Scheme, []string{"https", "http"}))
	case s.Plain && u.Scheme == "https":
		return errors.New("plain: the endpoint is https; leave it out")
	case s.CA != "" && u.Scheme == "http":
		return errors.New("ca: the endpoint is http, where nobody shows a certificate")
	case !bucketText.MatchString(s.Bucket):
		return errors.New("bucket: is missing, or no name of one: from 3 to 63 small letters, digits, - and points")
	case s.Prefix != "" && (!prefixText.MatchString(s.Prefix) || strings.Contains(s.Prefix, "//") || strings.Contains(s.Prefix, "..")):
		return errors.New("prefix: letters, digits, and / _ . = - may be in it, such as vncgate/")
	case s.AccessKey == nil || s.SecretKey == nil:
		return errors.New("access_key and secret_key are needed; write them like {file: /etc/vncgate/s3.key} or {env: AWS_SECRET_ACCESS_KEY}")
	case r.Over == overRemove:
		return errors.New("over: remove would take recordings away that have not arrived; say over: refuse, which is what holds where there is s3")
	}
	if r.keeps() {
		return errors.New("keep: how long objects live is the bucket's to say (a lifecycle rule); leave keep out")
	}
	return nil
}

// keeps reports whether anything says how long recordings live.
func (r *recordingsConfig) keeps() bool {
	for i := range r.Rules {
		if r.Rules[i].How.Keep != 0 {
			return true
		}
	}
	return r.How.Keep != 0
}

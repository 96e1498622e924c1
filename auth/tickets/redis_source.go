package tickets

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

const (
	redisPort  = "6379"
	maxRedisDB = 1 << 20
)

// ParseRedisSource reads websockify's --token-source for TokenRedis:
//
//	host[:port[:db[:password[:namespace]]]]
//
// A field that is left empty has its default: port 6379, database 0, no
// password, no namespace. A field may stand in double quotes, and then holds
// colons; an IPv6 address may also stand in brackets. Errors hold nothing of
// the source, where there is a password.
func ParseRedisSource(source string) (RedisConfig, error) {
	fields, err := splitFields(source)
	if err != nil {
		return RedisConfig{}, err
	}
	if len(fields) > 5 {
		return RedisConfig{}, errors.New("tickets: redis: the source has more than host:port:db:password:namespace; put a field with colons into double quotes")
	}
	fields = append(fields, make([]string, 5-len(fields))...)
	host, port, db := fields[0], fields[1], fields[2]
	if port == "" {
		port = redisPort
	}
	address, err := JoinAddress(host, port)
	if err != nil || host == socketHost {
		return RedisConfig{}, errors.New("tickets: redis: the source must begin with a host and a port, as in redis.example:6379 or [::1]:6379")
	}
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		return RedisConfig{}, errors.New("tickets: redis: the source's host and port cannot be dialled")
	}
	cfg := RedisConfig{Addresses: []string{net.JoinHostPort(host, port)}, Password: fields[3], Namespace: fields[4]}
	if db != "" {
		n, err := strconv.ParseUint(db, 10, 32)
		if err != nil || n > maxRedisDB {
			return RedisConfig{}, errors.New("tickets: redis: the source's third field must be the number of a database")
		}
		cfg.DB = int(n)
	}
	return cfg, nil
}

// splitFields splits at colons that are not in quotes or, in the first field,
// in brackets.
func splitFields(s string) ([]string, error) {
	var fields []string
	for {
		field, rest, more, err := cutField(s, len(fields) == 0)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field)
		if !more {
			return fields, nil
		}
		s = rest
	}
}

func cutField(s string, first bool) (field, rest string, more bool, err error) {
	end := ""
	switch {
	case strings.HasPrefix(s, `"`):
		s, end = s[1:], `"`
	case first && strings.HasPrefix(s, "["):
		s, end = s[1:], "]"
	default:
		field, rest, more = strings.Cut(s, ":")
		return field, rest, more, nil
	}
	field, rest, found := strings.Cut(s, end)
	if !found {
		return "", "", false, errors.New("tickets: redis: the source has a quote or a bracket without its end")
	}
	if rest == "" {
		return field, "", false, nil
	}
	if rest[0] != ':' {
		return "", "", false, errors.New("tickets: redis: in the source a colon or the end must follow a quoted field")
	}
	return field, rest[1:], true, nil
}

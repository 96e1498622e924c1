package cluster

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// run asks one question, within the time that a question may take.
func (c *Cluster) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (reply, error) {
	return ask(ctx, c.client, c.cfg.Timeout, script, keys, args...)
}

// ask has a script run, within limit.
func ask(ctx context.Context, client redis.UniversalClient, limit time.Duration, script *redis.Script, keys []string, args ...any) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err := script.Run(ctx, client, keys, args...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if list, ok := got.([]any); ok {
		return list, nil
	}
	return reply{got}, nil
}

// reply is an answer of a script. Whatever it holds, these read it.
type reply []any

func (r reply) text(i int) string {
	if i >= len(r) {
		return ""
	}
	switch v := r[i].(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

func (r reply) number(i int) int64 {
	n, err := strconv.ParseInt(r.text(i), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (r reply) texts(from int) []string {
	var list []string
	for i := from; i < len(r); i++ {
		list = append(list, r.text(i))
	}
	return list
}

func (r reply) list(i int) reply {
	if i >= len(r) {
		return nil
	}
	l, _ := r[i].([]any)
	return l
}

// poke asks for something that need not be asked for twice.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

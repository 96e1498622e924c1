package capability

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// current is what is revoked, as this process knows it.
func (k *redisKeeper) current() *revocations { return k.revoked.state.Load().all }

// revoke adds to the set and says so. It returns when it counts here.
func (k *redisKeeper) revoke(one revoked) error {
	if k.down.Load() {
		return errDown
	}
	ctx, cancel := k.asking()
	defer cancel()
	n, err := k.client.SCard(ctx, k.key(revokedKey)).Result()
	if err != nil {
		return k.unavailable(err)
	}
	if n >= maxRevocations {
		return errManyRevocations
	}
	entry := one.entry()
	until := redis.Z{Score: float64(one.until.Unix()), Member: entry}
	if err := k.client.ZAdd(ctx, k.key(untilKey), until).Err(); err != nil {
		return k.unavailable(err)
	}
	if err := k.client.SAdd(ctx, k.key(revokedKey), entry).Err(); err != nil {
		return k.unavailable(err)
	}
	// From here on it is revoked: what is left is to be quick, and for people.
	_ = k.client.Publish(ctx, k.key(newsKey), revokedNews).Err()
	if one.Note != "" {
		_ = k.client.HSet(ctx, k.key(notesKey), entry, one.Note).Err()
	}
	k.revoked.again(ctx)
	return nil
}

// entry is r as RedisConfig says; parseEntry reads it.
func (r Revocation) entry() string {
	at := strconv.FormatInt(r.Before.Unix(), 10)
	switch {
	case r.ID != "":
		return "id:" + r.ID
	case r.User == "":
		return "before:" + at
	case r.Before.IsZero():
		return "user:" + r.User
	}
	return "before:" + at + ":user:" + r.User
}

// sweepSometimes sweeps if nobody has for a while.
func (k *redisKeeper) sweepSometimes(ctx context.Context) error {
	if k.down.Load() {
		return errDown
	}
	err := k.client.SetArgs(ctx, k.key(sweptKey), "1", redis.SetArgs{Mode: "NX", TTL: sweepEvery}).Err()
	switch {
	case errors.Is(err, redis.Nil):
		return nil
	case err != nil:
		return k.unavailable(err)
	}
	return k.sweep(k.cfg.Now())
}

// sweep forgets what has ended. Records Redis removes by itself.
func (k *redisKeeper) sweep(now time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*k.rc.Server.Timeout)
	defer cancel()
	ended := strconv.FormatInt(now.Unix(), 10)
	if err := k.client.ZRemRangeByScore(ctx, k.key(tokensKey), "-inf", ended).Err(); err != nil {
		return k.unavailable(err)
	}
	entries, err := k.client.ZRangeByScore(ctx, k.key(untilKey), &redis.ZRangeBy{Min: "-inf", Max: ended}).Result()
	if err != nil {
		return k.unavailable(err)
	}
	for _, entry := range entries {
		err := errors.Join(
			k.client.SRem(ctx, k.key(revokedKey), entry).Err(), k.client.HDel(ctx, k.key(notesKey), entry).Err(),
			k.client.ZRem(ctx, k.key(untilKey), entry).Err(),
		)
		if err != nil {
			return k.unavailable(err)
		}
	}
	return nil
}

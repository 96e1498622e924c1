package main

import (
	"context"
	"fmt"
	"strconv"

	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/gateway/archive"
)

// bucket is where recordings go to; nil: they stay.
func (w *wiring) bucket(cfg *recordS3Config) (*archive.S3, error) {
	if cfg == nil {
		return nil, nil
	}
	to := &archive.S3{
		Endpoint: cfg.Endpoint, Bucket: cfg.Bucket, Region: cfg.Region, Prefix: cfg.Prefix, PathStyle: cfg.PathStyle,
		Keys: cfg.keys, Failing: w.uploadsFailing,
		Uploaded: func(name string, bytes int64) { w.recordingUploaded(cfg, name, bytes) },
	}
	if cfg.CA == "" {
		return to, nil
	}
	var err error
	if to.RootCAs, err = certs.Pool(cfg.CA); err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return to, nil
}

// keys are those of the bucket, as they are now.
func (s *recordS3Config) keys(ctx context.Context) (access, secret string, err error) {
	if access, err = s.AccessKey.read(ctx); err != nil {
		return "", "", fmt.Errorf("access_key: %w", err)
	}
	if secret, err = s.SecretKey.read(ctx); err != nil {
		return "", "", fmt.Errorf("secret_key: %w", err)
	}
	return access, secret, nil
}

// secretsReadable is for the start.
func (r *recordingsConfig) secretsReadable(ctx context.Context) error {
	if r == nil || r.S3 == nil {
		return nil
	}
	_, _, err := r.S3.keys(ctx)
	return err
}

// recordingUploaded is told of recordings that are in their bucket.
func (w *wiring) recordingUploaded(cfg *recordS3Config, name string, bytes int64) {
	w.log.Info("recording uploaded", "recording", name, "bucket", cfg.Bucket, "bytes", bytes)
	w.gate.Emit(gateway.Event{
		Kind: gateway.RecordingRemoved, Reason: "uploaded",
		Details: map[string]string{"recording": name, "bytes": strconv.FormatInt(bytes, 10), "bucket": cfg.Bucket, "prefix": cfg.Prefix},
	})
}

// uploadsFailing is told when recordings cannot be uploaded, and with nil when they
// can again.
func (w *wiring) uploadsFailing(err error) {
	if err == nil {
		w.house.failing.Store(nil)
		w.log.Warn("recordings are uploaded again")
		return
	}
	text := fmt.Sprintf("%s: %v", causeUpload, err)
	w.house.failing.Store(&text)
	w.log.Error("recordings cannot be uploaded: they wait in their directory, as far as there is room, and it is tried again", "error", err)
	w.gate.Emit(gateway.Event{Kind: gateway.RecordingFailed, Reason: causeUpload, Err: err, Details: map[string]string{"then": "it is tried again"}})
}

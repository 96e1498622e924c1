package main

import (
	"context"
	"crypto/rand"

	"vncgate/gateway"
)

// openDashboard opens the admin listener on this machine, with a token that is
// good as long as the demo runs, and returns the link that logs in with it; ""
// without one. The token is behind the #, which browsers send nowhere.
func (f *demoFlags) openDashboard(ctx context.Context, w *wiring, display *gateway.Target) (string, error) {
	if f.dashboard == "" {
		return "", nil
	}
	token := rand.Text()
	w.cfg.Admin = &adminConfig{Address: f.dashboard, Tokens: []adminTokenConfig{{Name: "demo", Role: "admin", Token: &secret{text: token}}}}
	if err := w.cfg.Admin.validate(); err != nil {
		return "", usagef("--dashboard: %w", err)
	}
	w.cfg.Targets = map[string]targetConfig{display.Name: {Address: "built in", Screenshots: screenshotsAlways}} // a display that anybody may join
	w.live.Store(&inForce{cfg: w.cfg, targets: map[string]*gateway.Target{display.Name: display}})
	if err := w.openAdmin(ctx, w.cfg.Admin); err != nil {
		return "", portHint(err, "--dashboard")
	}
	if err := w.openControl(ctx); err != nil {
		w.closeAdmin()
		return "", err
	}
	w.adminAPI()
	return "http://" + linkHost(w.admin.ln.Addr()) + "/#token=" + token, nil
}

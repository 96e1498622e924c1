package main

import (
	"time"

	"github.com/spf13/pflag"
)

// serviceFlags are what a gateway wants beside a viewer and a display where it
// runs in a container, or behind a proxy, without a file.
type serviceFlags struct {
	admin           string
	trustedProxies  []string
	shutdownDelay   time.Duration
	shutdownTimeout time.Duration
}

func (f *serviceFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.admin, "admin", "", "`ADDRESS` for /livez, /readyz, /healthz and /metrics, open to all who reach it; steering needs tokens, and those a file")
	flags.StringSliceVar(&f.trustedProxies, "trusted-proxy", nil, "`CIDR` of a reverse proxy whose Forwarded and X-Forwarded-For are believed")
	flags.DurationVar(&f.shutdownDelay, "shutdown-delay", 0, "how long viewers still come in after a signal to end, until balancers have noticed")
	flags.DurationVar(&f.shutdownTimeout, "shutdown-timeout", 0, "how long sessions may then go on (default 5s)")
}

// complete puts into cfg what the flags say, where there is no file.
func (f *serviceFlags) complete(cfg *config) {
	f.administered(cfg)
	for i := range cfg.Listeners {
		if web := cfg.Listeners[i].Web; web != nil {
			web.TrustedProxies = f.trustedProxies
		}
	}
	cfg.Limits.ShutdownDelay, cfg.Limits.ShutdownTimeout = f.shutdownDelay, f.shutdownTimeout
}

// administered gives cfg the admin listener that is asked for.
func (f *serviceFlags) administered(cfg *config) {
	if f.admin != "" {
		cfg.Admin = &adminConfig{Address: f.admin, Open: []string{openHealth, openMetrics}}
	}
}

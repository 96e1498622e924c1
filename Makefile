# make run    build, start the demo, print the link to open
# make build  bin/vncgate, with the viewer page if Node is there
# make test   everything: vet, lint, race tests, real peers, browser
# make packages   dist/: archives, .deb, .rpm

GO      ?= go
NPM     ?= npm
VERSION ?= $(shell if [ -e .git ]; then git describe --tags --always --dirty; else deploy/packages/version; fi 2>/dev/null | cut -d' ' -f1)
LDFLAGS := -s -w -X main.version=$(VERSION)

# How long the tests of one package may take.
TIMEOUT ?= 25m

UI      := web/ui
UI_SRC  := $(shell find $(UI) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
GOTESTSUM   := gotest.tools/gotestsum@v1.13.0

# The programs that the tests run against, by their Debian packages. The
# interop tests keep the list of theirs, and check it; Node is a tool and not a
# peer.
PEERS := $(filter-out nodejs,$(shell cat cmd/vncgate/interop/testdata/debian-packages)) \
	stunnel4 libnginx-mod-stream gsasl krb5-kdc krb5-admin-server krb5-user libsasl2-modules-gssapi-mit \
	git openssl redis-server libpam-wrapper xauth gir1.2-gtk-3.0 fonts-dejavu-core pkg-config ffmpeg

.PHONY: all run build page test check lint go-test ui-test chart-test peers bench netlab fuzz packages packages-check clean

all: build

run: build
	./bin/vncgate demo

build: page
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/vncgate ./cmd/vncgate

# Without Node everything but the page is built, and the binary says so.
page:
	@if command -v $(NPM) >/dev/null; then $(MAKE) --no-print-directory $(UI)/dist/index.html; \
	else echo "npm not found: building without the viewer page (install Node 20 or newer to have it)"; fi

$(UI)/dist/index.html: $(UI_SRC) $(UI)/node_modules/.made
	cd $(UI) && $(NPM) run --silent build

$(UI)/node_modules/.made: $(UI)/package-lock.json
	cd $(UI) && $(NPM) ci --no-audit --no-fund
	touch $@

test: peers lint ui-test chart-test go-test

lint:
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./layers ./rfb ./auth ./certs ./gateway
	GOOS=windows $(GO) vet ./layers ./rfb ./auth ./certs ./gateway
	$(GO) run $(STATICCHECK) ./...

# What failed is printed last. Where it is no more than a few tests, each is run
# again, twice at most, since hundreds of real viewers and displays share this
# machine with all else that runs on it. A test that only then passes does not
# fail the run, but is named as flaky in the last lines: it is to be mended. A
# data race, a panic and a timeout always fail (.ci/failed.awk has the rules).
go-test: build
	@mkdir -p bin && rm -f bin/tests.json; \
	$(GO) run $(GOTESTSUM) --format pkgname --jsonfile bin/tests.json --packages ./... \
		--rerun-fails=2 --rerun-fails-max-failures=6 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race \
		-- -race -timeout $(TIMEOUT); \
	status=$$?; awk -f .ci/failed.awk bin/tests.json || status=1; exit $$status

ui-test: $(UI)/dist/index.html
	cd $(UI) && $(NPM) run --silent check && $(NPM) run --silent lint && $(NPM) test --silent

# The Helm chart, by Helm's engine: a module of its own, so that what Helm imports
# is not what the gateway imports.
chart-test: build
	cd deploy/kubernetes/charttest && $(GO) vet . && $(GO) test -count 1 .

# Installs the peers that are missing when it may, else names them; a test
# whose peer is missing then skips and says so.
peers:
	@missing=$$(for p in $(PEERS); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	else echo "tests will be skipped for want of: $$missing"; \
		echo "install them with: sudo apt-get install" $$missing; fi

# The program from outside, beside the peers that are installed, and then its
# layers with their allocations. BENCH is for what 'bin/vncgate-bench -h' lists.
bench: build
	$(GO) build -trimpath -o bin/vncgate-bench ./cmd/vncgate/benchmark
	./bin/vncgate-bench $(BENCH)
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./layers ./rfb ./gateway

# The tunnel between hosts with delay, loss and a NAT, beside a direct connection
# and ssh -R, with the figures. Needs root, /dev/net/tun and Debian's iproute2,
# nftables and openssh-server. NETLAB is for what 'go test' takes, as -run Ratio.
netlab:
	VNCGATE_NETLAB=1 $(GO) test -v -count 1 -timeout 60m ./cmd/vncgate/netlab $(NETLAB)

# dist/: archives, .deb and .rpm, their checksums and what they are made of.
packages: build
	deploy/packages/make

# What dist/ has, as root: the last commit's packages made twice and compared, and
# those in dist/ installed, exchanged and removed in fresh roots.
packages-check: packages
	deploy/packages/reproduce
	deploy/packages/check
	deploy/packages/check-rpm

# Every fuzz test for FUZZTIME each.
FUZZTIME ?= 30s
fuzz:
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$($(GO) test -list '^Fuzz' $$dir | grep '^Fuzz'); do \
			echo "$$dir $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$dir || exit 1; \
		done; \
	done

clean:
	rm -rf bin $(UI)/node_modules
	find $(UI)/dist -mindepth 1 -not -name .gitkeep -delete

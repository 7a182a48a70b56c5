# Albatross: unikernels on a host. The two commands that matter: make demo, make test.

export CGO_ENABLED := 0

GO      ?= go
BIN     := bin
PREFIX  ?= /usr/local
VERSION ?=
LDFLAGS := $(if $(VERSION),-X albatross/internal/version.Version=$(VERSION))

# All programs but albatross-tls, which is built with one limit of Go's raised.
PROGRAMS := $(filter-out ./cmd/albatross-tls,$(addprefix ./,$(wildcard cmd/*)))

# How long each fuzz target runs.
FUZZTIME ?= 30s

.PHONY: all build demo test test-long test-metrics dashboard race bench fuzz lint format guests install clean need-go

all: build

need-go:
	@command -v $(GO) >/dev/null || { echo "Go 1.26 or later is needed: see https://go.dev/dl/" >&2; exit 1; }

## build: all programs, in bin/
build: need-go
	@mkdir -p $(BIN)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(PROGRAMS)
	@$(GO) run ./internal/endpoint/overlay $(BIN)/.overlay
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -overlay $(BIN)/.overlay/overlay.json -o $(BIN)/ ./cmd/albatross-tls
	@ln -f $(BIN)/albatross $(BIN)/albatross-client

## demo: boots two unikernels, shows what they do, leaves nothing behind
demo: build
	$(GO) run ./test/demo $(BIN)

## test: all fast tests, with real unikernels where the machine allows
test: need-go
	$(GO) test $$($(GO) list ./... | grep -v /test/e2e)
	$(GO) test -count=1 ./test/e2e # its programs are built anew, which the cache does not know

## test-long: what takes its time: a GiB image, garbage without end, daemons killed twice
test-long: need-go
	ALBATROSS_LONG=1 $(GO) test -timeout 30m -run "^TestLong" ./internal/wire ./internal/host ./test/e2e

## test-metrics: statistics against a real Prometheus, InfluxDB and VictoriaMetrics, which it installs (Debian, root)
test-metrics: need-go
	@command -v prometheus >/dev/null && command -v promtool >/dev/null && command -v influxd >/dev/null && command -v victoria-metrics >/dev/null || \
	  { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus influxdb victoria-metrics; }
	$(GO) test -count=1 ./internal/stats/...
	$(GO) test -count=1 -run 'Metrics|Prometheus|Statistics' ./test/e2e

## dashboard: draws docs/screens/dashboard.svg from five minutes of real unikernels and a real Prometheus (root)
dashboard: build
	$(GO) run ./test/dashboard -for 5m $(BIN) docs/screens/dashboard.svg

## race: the same under the race detector, which needs a C compiler
race: need-go
	@command -v gcc >/dev/null || { echo "the race detector needs gcc: apt-get install gcc" >&2; exit 1; }
	CGO_ENABLED=1 $(GO) test -race ./...

## bench: the figures of docs/performance.md
bench: build
	$(GO) test -run '^$$' -bench . -benchtime 2s ./internal/spt ./internal/kvm ./internal/hvt ./internal/hostnet ./internal/store ./internal/policy ./internal/stats ./test/e2e

## fuzz: every fuzz target for FUZZTIME (30s)
fuzz: need-go
	@for pkg in $$($(GO) list ./...); do \
	  dir=$$($(GO) list -f '{{.Dir}}' $$pkg); \
	  for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go 2>/dev/null | cut -d' ' -f2); do \
	    echo "== $$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

## lint: formatting, go vet and staticcheck
lint: need-go
	@unformatted=$$($(GO) tool gofumpt -l cmd guest internal test); \
	  if [ -n "$$unformatted" ]; then echo "not formatted (make format):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

## format: formats all Go code
format: need-go
	$(GO) tool gofumpt -w cmd guest internal test

## guests: rebuilds the unikernels in guest/built, which needs gcc
guests: need-go
	@command -v gcc >/dev/null || { echo "building guests needs gcc: apt-get install gcc" >&2; exit 1; }
	$(GO) run ./guest/internal/build

## install: the programs, to PREFIX/bin (/usr/local/bin)
install: build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BIN)/* $(DESTDIR)$(PREFIX)/bin/

clean:
	rm -rf $(BIN)

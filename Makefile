# make demo and make test need Go and make, and nothing else; what they use is fetched by Go itself.

DEMO       = cmd/tipline-demo
MODULES    = . $(DEMO) deploy/manifests
GO         = go
TOOL       = $(GO) tool -modfile=$(CURDIR)/deploy/tools
VERSION    = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT     = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS    = -s -w -X github.com/prometheus/common/version.Version=$(VERSION) -X github.com/prometheus/common/version.Revision=$(COMMIT)
ONCE       =
DEMO_FLAGS =
FUZZTIME   = 20s
KILLS      = 1000
SOAKDAYS   = 30
SOAKTIME   = 60
SOAKRUNS   = 10000
SCALE      = 10000 60 made
DAYS       = 30
SERVERS    = prometheus-3.5,github.com/prometheus/prometheus@v0.305.0,cmd/prometheus \
             prometheus-3.16,github.com/prometheus/prometheus@v0.316.0,cmd/prometheus \
             thanos-0.42,github.com/thanos-io/thanos@v0.42.4,cmd/thanos,slicelabels \
             mimir-3.0,github.com/grafana/mimir@v1.3.1-0.20260423142704-aced80d74930,cmd/mimir \
             victoriametrics-1.151,github.com/VictoriaMetrics/VictoriaMetrics@v1.151.0,app/victoria-metrics

export GOWORK = off

# each runs a command in every module and ends at the first that fails; none takes anything that it prints for a failure.
each = @for module in $(MODULES); do echo "$$module: $(1)"; (cd $$module && $(1)) || exit 1; done
none = @for module in $(MODULES); do echo "$$module: $(1)"; said="$$(cd $$module && $(1))" && test -z "$$said" || { echo "$$said"; exit 1; }; done

.PHONY: help demo test build lint format race bench scale servers fuzz soak vuln

help: ## show what make can do
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile

demo: ## watch a workload cross a hosting threshold; ONCE=1 ends after the first message, DEMO_FLAGS passes flags on
	@mkdir -p bin
	@echo "Building the demo; the first time this takes a few minutes, since it brings a whole Prometheus engine along."
	@cd $(DEMO) && $(GO) build -o $(CURDIR)/bin/tipline-demo .
	@bin/tipline-demo $(if $(ONCE),--once) $(DEMO_FLAGS)

test: ## run the tests of all modules
	$(call each,$(GO) test -timeout 30m ./...)

build: ## build the daemon, one static binary, as bin/tipline
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/tipline ./cmd/tipline

lint: ## check form: formatting, idioms, vet, staticcheck, golangci-lint, dead code, modules
	$(call none,$(TOOL)/gofumpt/go.mod gofumpt -l -extra .)
	$(call each,$(GO) fix -diff ./...)
	$(call each,$(GO) vet ./...)
	$(call each,$(TOOL)/staticcheck/go.mod staticcheck ./...)
	$(call each,$(TOOL)/golangci-lint/go.mod golangci-lint run --config $(CURDIR)/.golangci.yml)
	$(call none,$(TOOL)/deadcode/go.mod deadcode -test ./...)
	$(call each,$(GO) mod tidy -e -diff)
	$(GO) mod verify

format: ## rewrite what the formatting and the idioms of lint would have otherwise
	$(call each,$(GO) fix ./... && $(GO) fix ./...) # a fix can call for another
	$(TOOL)/gofumpt/go.mod gofumpt -w -extra .

race: ## run the tests of all modules under the race detector, in random order; needs a C compiler
	$(call each,$(GO) test -race -shuffle=on -timeout 30m ./...)

bench: ## measure a cycle, a projection, a decision, and what becomes of it
	$(GO) test -run '^$$' -bench . -benchmem ./model/... ./collector/... ./alerting/... ./cmd/internal/daemon/...

scale: ## measure a cold start, ten cycles after it and an evaluation for SCALE, workloads and days of history, beside a plain client; without "made" against the Prometheus that is installed
	cd $(DEMO) && TIPLINE_SCALE="$(SCALE)" $(GO) test ./servers -run TestScale -count 1 -timeout 120m -v

servers: ## build SERVERS from the Go module proxy, which takes long the first time, hold what tipline reads from each over DAYS days against what happened, and have some of them fail
	@mkdir -p bin/servers
	@for server in $(SERVERS); do \
		IFS=,; set -- $$server; unset IFS; \
		test -x "bin/servers/$$1" && continue; \
		echo "building $$1"; \
		CGO_ENABLED=0 $(GO) build -C "$$($(GO) mod download -json "$$2" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')" -tags "$$4" -o "$(CURDIR)/bin/servers/$$1" "./$$3" || exit 1; \
	done
	cd $(DEMO) && TIPLINE_SERVERS="$(CURDIR)/bin/servers" TIPLINE_DAYS=$(DAYS) $(GO) test ./servers -run 'TestServers|TestF14|TestF19|TestF32' -count 1 -timeout 120m -v

fuzz: ## fuzz what strangers write, each target for FUZZTIME
	@find alerting cmd collector config model -name '*_test.go' -exec awk '/^func Fuzz/ { sub(/\(.*/, "", $$2); print FILENAME, $$2 }' {} + | \
	while read -r file target; do \
		echo "$$file: $$target"; \
		(cd "$$(dirname "$$file")" && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .) || exit 1; \
	done

vuln: ## look for known holes in what the daemon calls; the Go module proxy has the vulnerability database, so no other host is asked
	$(TOOL)/govulncheck/go.mod govulncheck -db "file://$$($(GO) mod download -json golang.org/x/vulndb@latest | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/data/osv" ./...

soak: ## kill the daemon KILLS times at every point between two durable steps, live through SOAKDAYS days of faults, let a source do its worst for SOAKTIME seconds a kind, and look for leaks over SOAKRUNS evaluations
	TIPLINE_KILLS=$(KILLS) TIPLINE_SOAK_DAYS=$(SOAKDAYS) TIPLINE_SOAK_SECONDS=$(SOAKTIME) TIPLINE_SOAK_RUNS=$(SOAKRUNS) $(GO) test ./cmd/internal/daemon -run 'TestKilled|TestSoak|TestSourceSoak|TestNothingLeaks' -count 1 -timeout 60m -v

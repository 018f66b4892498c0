# make demo and make test need Go and make, and nothing else; what they use is fetched by Go itself.

DEMO       = cmd/tipline-demo
TOOL       = $(GO) tool -modfile=$(CURDIR)/deploy/tools
GO         = go
VERSION    = $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT     = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS    = -s -w -X github.com/prometheus/common/version.Version=$(VERSION) -X github.com/prometheus/common/version.Revision=$(COMMIT)
DEMO_FLAGS =

export GOWORK = off

.PHONY: help demo test build lint race bench fuzz

help: ## show what make can do
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile

demo: ## watch a workload cross a hosting threshold; ONCE=1 ends after the first message, DEMO_FLAGS passes flags on
	@mkdir -p bin
	@echo "Building the demo; the first time this takes a few minutes, since it brings a whole Prometheus engine along."
	@cd $(DEMO) && $(GO) build -o $(CURDIR)/bin/tipline-demo .
	@bin/tipline-demo $(if $(ONCE),--once) $(DEMO_FLAGS)

test: ## run the tests of all modules
	$(GO) test ./...
	cd $(DEMO) && $(GO) test ./...
	cd deploy/manifests && $(GO) test ./...

build: ## build the daemon, one static binary, as bin/tipline
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/tipline ./cmd/tipline

lint: ## check form: formatting, vet, staticcheck, golangci-lint, dead code, modules
	@unformatted="$$($(TOOL)/gofumpt/go.mod gofumpt -l -extra .)"; test -z "$$unformatted" || { echo "gofumpt -extra would change: $$unformatted"; exit 1; }
	$(GO) vet ./...
	cd $(DEMO) && $(GO) vet ./...
	$(TOOL)/staticcheck/go.mod staticcheck ./...
	cd $(DEMO) && $(TOOL)/staticcheck/go.mod staticcheck ./...
	$(TOOL)/golangci-lint/go.mod golangci-lint run
	cd $(DEMO) && $(TOOL)/golangci-lint/go.mod golangci-lint run --config $(CURDIR)/.golangci.yml
	@dead="$$($(TOOL)/deadcode/go.mod deadcode -test ./...)"; test -z "$$dead" || { echo "$$dead"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) mod verify

race: ## run the tests of all modules under the race detector, in random order
	$(GO) test -race -shuffle=on ./...
	cd $(DEMO) && $(GO) test -race -shuffle=on ./...
	cd deploy/manifests && $(GO) test -race -shuffle=on ./...

bench: ## measure a cycle, a projection and a decision
	$(GO) test -run '^$$' -bench . -benchmem ./model/... ./collector/... ./cmd/internal/daemon/...

fuzz: ## fuzz what strangers write, 20 seconds each
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 20s ./config
	$(GO) test -run '^$$' -fuzz FuzzMatcher -fuzztime 20s ./collector
	$(GO) test -run '^$$' -fuzz FuzzBlocks -fuzztime 20s ./alerting/slack

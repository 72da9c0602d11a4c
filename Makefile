# `make help` lists what there is. Only `run` and `test` install anything, and
# outside this folder only on Debian, as root, what cannot be found:
# RIALTO_NO_APT=1 forbids it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

ARGS ?=
# A folder with packages of npm is ready when this file is younger than its lock.
READY := node_modules/.rialto-ready
MODULES := web/$(READY)
# Clients that others wrote, for the tests alone.
CLIENTS := media/whip/interop/$(READY) realtime/ws/interop/$(READY)
PAGES := web/static/app/index.html
PAGE_SOURCES := $(shell find web/app -type f ! -name '*.gen.ts' 2>/dev/null) $(wildcard web/*.ts web/*.json)
# A checkout that git does not trust (another owner) must still build.
VCS := $(shell git rev-parse --git-dir >/dev/null 2>&1 && echo auto || echo false)

.PHONY: help run test lint bench chaos build clean need binary

help: ## this list
	@awk -F ':[^#]*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

run: build ## a live show on http://localhost:8080 (ARGS="--listen ADDR --data DIR")
	@.ci/stores
	@exec ./bin/rialto dev $(ARGS)

test: need ## every test, on real Postgres, Redis and Chromium
	@.ci/packages
	@$(MAKE) build $(CLIENTS)
	go vet ./...
	go test -race -timeout 20m ./...
	# What the race detector allocates would be counted too.
	go test -run Alloc -count=1 ./...
	cd web && npm run check && RIALTO_BIN=$(CURDIR)/bin/rialto npm run e2e

lint: need $(MODULES) ## formatting, vet, staticcheck, types of the pages
	@unformatted=$$(gofmt -l cmd commerce media realtime web/*.go); \
	  [ -z "$$unformatted" ] || { echo "lint: not gofmt-ed: $$unformatted" >&2; exit 1; }
	go vet ./...
	go tool -modfile=.ci/tools.mod staticcheck ./...
	cd web && npm run check

bench: need ## every Go benchmark
	go test -run '^$$' -bench . -benchmem ./...

chaos: need ## every failure of a purchase with every fault, under a crowd (ARGS="--minutes 30 --seed N")
	@.ci/stores
	@mkdir -p bin
	go build -trimpath -buildvcs=$(VCS) -tags crashpoints -o bin/rialto-chaos ./cmd/rialto
	@exec ./bin/rialto-chaos bench chaos $(ARGS)

build: need $(PAGES) binary ## the pages, and bin/rialto with them inside

clean: ## what was built; .rialto, where your shows are, stays
	rm -rf bin web/static/app web/app/shared/api.gen.ts web/node_modules media/whip/interop/node_modules realtime/ws/interop/node_modules web/test-results web/playwright-report

need:
	@.ci/need

binary:
	@mkdir -p bin
	go build -trimpath -buildvcs=$(VCS) -o bin/rialto ./cmd/rialto

# Order only: the check of Go and Node comes first, and its being phony does
# not make these stale.
%/$(READY): %/package-lock.json %/package.json | need
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(PAGES): $(MODULES) $(PAGE_SOURCES) | need
	cd web && npm run build
	@touch $@

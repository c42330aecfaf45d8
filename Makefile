# Two commands do all the set-up themselves: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PREFIX ?= /usr/local
.PHONY: help demo install dist test check test-tool test-server test-page test-cluster test-image test-node bench autoscaling clean

help: ## Says what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\n  Variables: YES=1 (demo: do not ask), MODEL=DIR (demo: another model), CONTEXT=NAME REGISTRY=HOST/PATH (demo: your cluster),\n             KEEP=1 (demo: leave everything running), PREFIX=DIR (install), UNINLU_CACHE=DIR (instead of .cache)\n'

demo: ## Takes a real stack through its whole life on a real one-node Kubernetes
	@tests/demo/run

dist: ## What a release offers: archives for each system, sums, SBOM, manifests (TARGETS=… builds these alone)
	@packaging/dist $(TARGETS)

test: check test-tool test-server test-page test-cluster test-image test-node ## Everything that CI checks

check: ## Format and lints of every language here; licences, duplicates and advisories of dependencies
	@tests/check

test-tool: ## The tool's offline tests: stack file, objects, plans, image context, command line
	cargo test --locked
	cargo test --locked --manifest-path tests/bench/load/Cargo.toml --target-dir target/load

test-server: ## The server against golden data of the reference implementation (needs libtorch: fetched)
	server/cargo test --locked

test-page: ## The server's page in a real Chromium (installed where it is missing)
	@server/tests/page/run

test-cluster: ## plan, apply, destroy against a real API server with real controllers
	@tests/with-cluster cargo test --locked --test deploy -- --ignored --skip node:: --test-threads 8

test-image: ## Builds and pushes with a real Docker engine and a real registry
	@tests/with-engine cargo test --locked --test offline -- --ignored image::
	@tests/with-engine tests/cluster/docker-selftest

test-node: ## The embedded node itself, then rollouts that fail on it, the demo, and the commands of the documentation's pages
	@tests/cluster/selftest
	@SIZE=node tests/with-cluster cargo test --locked --test deploy -- --ignored node:: --test-threads 8
	@YES=1 tests/demo/run
	@tests/walks/run

bench: ## Measures the inference server beside the Python service (docs/performance.md; takes some two hours)
	@tests/bench/run

install: ## The tool, as kubectl's plugin too, its completions and manual, below PREFIX (default /usr/local)
	cargo build --locked --release
	install -Dm755 target/release/uninlu $(DESTDIR)$(PREFIX)/bin/uninlu
	ln -sf uninlu $(DESTDIR)$(PREFIX)/bin/kubectl-uninlu
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions zsh/site-functions fish/vendor_completions.d)
	target/release/uninlu completions bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/uninlu
	target/release/uninlu completions zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_uninlu
	target/release/uninlu completions fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/uninlu.fish
	target/release/uninlu man --out $(DESTDIR)$(PREFIX)/share/man/man1

autoscaling: ## Scales by CPU and by requests on a real node (docs/autoscaling.md; takes some 15 minutes)
	@tests/autoscaling/run

clean: ## Removes what was built; the cache of downloads stays
	cargo clean

# Two commands: `make demo` shows a world that splits while people play, `make test` checks everything.
# What a target needs and the machine lacks is installed once, into .cache/ or, as root, with apt-get.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
DARKAGES := $(TARGET)/release/darkages
# Tests run what they are built with, which has its assertions on; a build for users would be a second one.
TESTED := $(TARGET)/debug/darkages
# Every build uses the committed Cargo.lock, and every test this selection of packages: cargo gives another one other
# features of our dependencies, and builds all of them anew.
CARGO_TEST := $(CARGO) test --locked --workspace

# The crates of the workspace, from its list of members.
MEMBERS := $(shell sed -n 's|^    "\([a-z0-9/]*\)",$$|\1|p' Cargo.toml)
CRATES := $(addprefix darkages-,$(notdir $(MEMBERS)))

# What runs on a cluster, and for which machine it is built: this one.
PROGRAMS := zone-server zone-operator zone-directory
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)

PLAYERS ?= 600
DEMO_SECONDS ?= 90
HTTP ?= 127.0.0.1:8080
SEEDS ?= 2000
NODES ?= 2

CARGO_DENY_VERSION := 0.20.2
MOTO_VERSION := 5.1.22

.PHONY: help demo build release test lint check-each unit tested cassandra cql-cluster crds api e2e e2e-here e2e-programs cluster cluster-down cluster-check seeds s3 e2e-python browser deny charts images clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)$$/\1\t\2/p' Makefile | expand -t 14

demo: release ## Walk 600 bots into one zone, watch it split on http://127.0.0.1:8080, print the report
	$(DARKAGES) local --players $(PLAYERS) --workload gather --seconds $(DEMO_SECONDS) --http $(HTTP)

build: ## Build everything for development
	$(CARGO) build --locked --workspace --all-targets

release: ## Build the darkages command, and the zone server, as users get them
	$(CARGO) build --locked --release --bin darkages --bin zone-server

# In this order: what fails soonest is first.
test: lint deny charts unit seeds e2e-python browser s3 api e2e-here cql-cluster ## Check everything that must hold before a change lands

lint: ## Check format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# A crate that only builds because another one switched on a feature of a dependency is found here. Takes as long as the
# rest of the builds together, so it is no part of `test`; the workflow has it as a job of its own.
check-each: $(addprefix check-,$(CRATES)) ## Check every crate alone
check-%:
	$(CARGO) check --locked -p $*

unit: .cache/cassandra/ready ## Run unit, property, golden and in-process tests, and those of stores with real servers
	.ci/need redis-server=redis-server
	$(CARGO_TEST)

tested: ## Build what tests need
	$(CARGO_TEST) --no-run

seeds: tested ## Run simulated worlds with faults at every step of a handoff
	$(TESTED) sim --seeds $(SEEDS)

s3: .cache/s3/ready ## Keep backups in a bucket of a real server
	S3_SERVER=$(abspath .cache/s3/bin/moto_server) $(CARGO_TEST) --test backup -- --ignored

e2e-python: tested .cache/venv/ready ## Join a world with a client in another language
	DARKAGES=$(TESTED) .cache/venv/bin/python -m unittest discover --start-directory e2e/python --verbose

browser: tested e2e/browser/node_modules/ready ## Look at the live map with a headless Chromium
	.ci/need chromium=chromium,chromium-browser,google-chrome
	cd e2e/browser && DARKAGES=$(TESTED) MADE_UP_WORLD=$(TARGET)/debug/examples/made_up_world npm test

deny: .cache/tools/bin/cargo-deny ## Check licences, bans and sources of all dependencies
	.cache/tools/bin/cargo-deny --locked check licenses bans sources

clean: ## Remove everything that was built or installed here
	$(CARGO) clean
	rm -rf .cache e2e/browser/node_modules

cassandra: .cache/cassandra/ready ## Get the Cassandra that tests of the CQL driver start

cql-cluster: .cache/cassandra/ready ## Kill one of three Cassandra nodes under concurrent trades
	$(CARGO_TEST) --test cql -- --ignored

# The chart has a copy, because a chart is packed from its own folder.
crds: ## Write the resource definitions anew from their types
	$(CARGO) run --locked -p darkages-crds --bin crdgen -- crds/generated
	rm -f charts/darkages-crds/files/*.yaml
	cp crds/generated/*.yaml charts/darkages-crds/files/

charts: ## Check the charts, what they make of good and bad values, and the manifests of documents
	charts/check/prepare
	charts/check/run

# Linked statically, for images without libraries; with --target, because the flag would reach procedural macros otherwise.
images: ## Make images of the programs for a cluster, as archives in target/images
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --locked --release --target $(HOST) $(addprefix --bin ,$(PROGRAMS))
	e2e/cluster/images.sh $(TARGET)/$(HOST)/release $(VERSION) $(TARGET)/images

api: ## Send good and bad manifests, and the charts, to a real API server of Kubernetes
	.ci/need redis-server=redis-server
	e2e/cluster/cluster.sh build api
	charts/check/prepare
	charts/check/install
	$(CARGO_TEST) --test api -- --ignored

e2e: tested e2e-programs ## Play on a real cluster while it is scaled, drained, rolled out and killed, as root
	e2e/scenarios/run $(TARGET)/debug

# The same as part of everything: a machine that cannot run nodes says so in one line.
e2e-here:
	@if why=$$(e2e/cluster/cluster.sh can); then \
		$(MAKE) tested e2e-programs && e2e/scenarios/run --where-possible $(TARGET)/debug; \
	elif [ -n "$$why" ]; then \
		echo "not run: scenarios on a cluster, because $$why"; \
	else \
		echo "error: cluster.sh does not say whether it can run here" >&2; exit 1; \
	fi

e2e-programs:
	.ci/need redis-server=redis-server
	e2e/cluster/cluster.sh build
	charts/check/prepare

cluster: ## Start a real Kubernetes of NODES nodes on this machine, as root, and print its KUBECONFIG
	e2e/cluster/cluster.sh build
	e2e/cluster/cluster.sh up .cache/cluster/run --nodes $(NODES)

cluster-down: ## End it, without a trace
	e2e/cluster/cluster.sh down .cache/cluster/run

cluster-check: ## Start one, run pods on it that talk to each other, end it, and look for what is left, as root
	e2e/cluster/cluster.sh build
	e2e/cluster/check.sh

# Version and dependencies are pinned in the pom; nothing of it is linked into anything of ours.
.cache/cassandra/ready: e2e/servers/cassandra/pom.xml
	.ci/need openjdk-17-jre-headless=java maven=mvn
	rm -rf .cache/cassandra
	mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(abspath .cache/cassandra/lib)
	touch $@

.cache/venv/ready: e2e/python/requirements.txt
	.ci/need python3-venv=python3
	python3 -m venv .cache/venv
	.cache/venv/bin/pip install --quiet --requirement $<
	touch $@

.cache/s3/ready: Makefile
	.ci/need python3-venv=python3
	python3 -m venv .cache/s3
	.cache/s3/bin/pip install --quiet 'moto[server]==$(MOTO_VERSION)'
	touch $@

e2e/browser/node_modules/ready: e2e/browser/package-lock.json
	.ci/need nodejs=node npm=npm
	@node -e 'if (parseInt(process.versions.node) < 20) { console.error("error: the map test needs Node.js 20 or later, this is " + process.version); process.exit(1) }'
	cd e2e/browser && npm ci --no-audit --no-fund
	touch $@

# It reads for a second or two: what would make it faster takes longer to build.
.cache/tools/bin/cargo-deny: export CARGO_PROFILE_RELEASE_LTO := off
.cache/tools/bin/cargo-deny: export CARGO_PROFILE_RELEASE_CODEGEN_UNITS := 16
.cache/tools/bin/cargo-deny: export CARGO_PROFILE_RELEASE_OPT_LEVEL := 0
.cache/tools/bin/cargo-deny: Makefile
	@if [ "$$($@ --version 2>/dev/null)" != "cargo-deny $(CARGO_DENY_VERSION)" ]; then \
		$(CARGO) install --locked --root .cache/tools --force cargo-deny@$(CARGO_DENY_VERSION); \
	fi
	touch $@

# Everything below runs on the Node that the lockfile brings, whatever the machine has.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo sandbox test soak lint typecheck format generate verify coverage image cluster cluster-down e2e bench bench-frameworks clean

help: ## Show what can be done here
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The system's Node runs npm; npm ci brings Node 24 and everything else, exactly as locked.
node_modules/.installed: package.json package-lock.json
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@

setup: node_modules/.installed ## Install what the lockfile names (Node 24 included)
	@node tools/guardNode.mjs

demo: setup ## Run the main job on an embedded cluster: 40 schedules, their runs, a crash, the clean-up (about a minute)
	@node tools/k8s/install.mjs
	@node e2e/demo/demo.ts

sandbox: setup ## The same cluster, left running for you to explore with kubectl
	@node tools/k8s/install.mjs
	@node e2e/demo/demo.ts --keep

test: setup ## Every test that needs only Node
	@node tools/k8s/install.mjs
	vitest run

soak: setup ## Half an hour of random work under random faults (SOAK_MINUTES, SOAK_SEED); all promises are checked all the time
	@node e2e/faults/soak.ts

lint: setup ## Types, lint, layer rules, dead code, format, generated files
	tsc --noEmit
	eslint .
	npm run --silent arch
	knip
	prettier --check --log-level warn .
	$(MAKE) --no-print-directory verify

typecheck: setup ## Only the types
	tsc --noEmit

format: setup ## Format everything
	prettier --write --log-level warn .

generate: setup ## Write CRDs, reference pages and the charts' copies from the schemas
	node crds/generate.ts
	node tools/chart.ts
	node tools/metricsReference.ts

verify: setup ## Fail if a generated file is not what its source says
	node crds/generate.ts --check
	node tools/chart.ts --check
	node tools/metricsReference.ts --check

coverage: setup ## Tests with line coverage
	vitest run --coverage

image: setup ## The operator's image as an OCI archive, dist/prow-operator-image.tar, without docker
	@node tools/image.ts

cluster: setup ## A real one-node Kubernetes on this machine (root on Debian, or kind where docker answers)
	@node e2e/cluster/cluster.ts up

cluster-down: setup ## Take it down, with everything that it did to the machine
	@node e2e/cluster/cluster.ts down

e2e: setup ## Everything on a real Kubernetes: cluster, image, chart, stories, upgrade, uninstall (root on Debian)
	@node tools/k8s/install.mjs
	@node e2e/run.ts

bench: setup ## How fast it is, beside a bare loop, on a real control plane (BENCH=quick: 25 minutes; BENCH=full: longer)
	@node e2e/bench/bench.ts

bench-frameworks: setup ## Our framework beside controller-runtime: one toy operator on both (a quarter of an hour; BENCH=full: three times that)
	@node e2e/bench/controller-runtime/bench.ts --write $(if $(filter full,$(BENCH)),--full)

clean: ## Remove what was installed or built
	rm -rf node_modules coverage dist .sandbox tools/k8s/node_modules tools/k8s/bin e2e/cluster/.cache

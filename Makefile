# Speechpipe. `make help` lists the targets; each line after `##` is its documentation.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

MEMBERS := services/common services/gateway services/stt services/translate operator clients
MODELS := whisper-base audioeval
PIPELINE ?= examples/local.yaml
SPEECH ?= ../shared/speech
SETTINGS := speechpipe_gateway.settings:GatewaySettings speechpipe_stt.settings:SttSettings \
  speechpipe_translate.settings:TranslateSettings speechpipe_operator.runtime.settings:OperatorSettings
SETTINGS_PAGE := docs/settings.md
CRD := crds/speechpipelines.yaml
RESOURCE_PAGE := docs/resource.md
METRICS_PAGE := docs/metrics.md
CHART := charts/speechpipe

VENV := .venv
BIN := $(VENV)/bin
KIND = PYTHONPATH=e2e/kind $(BIN)/python -m kind_cluster
DONE := $(VENV)/.done
export VENV PYTHON

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=/path/to/python3.11 chooses the interpreter of .venv; PIPELINE=file.yaml what \`make up\` runs,"
	@echo "  SPEECH=DIR the clips (with a manifest.json) that \`make bench\` plays."

.PHONY: setup
setup: $(DONE)/packages $(DONE)/system models ## Make .venv with every dependency, and fetch the models

$(DONE)/venv: requirements/dev.txt scripts/setup.sh
	@scripts/setup.sh venv
	@mkdir -p $(DONE) && touch $@

$(DONE)/packages: $(DONE)/venv requirements/dev.txt $(MEMBERS:%=%/pyproject.toml)
	@scripts/setup.sh packages $(MEMBERS)
	@touch $@

# Not finished where packages are missing and nobody may install them: then the next call says so again.
$(DONE)/system: requirements/apt.txt | $(DONE)/venv
	@if scripts/setup.sh system; then touch $@; elif [ $$? -ne 3 ]; then exit 1; fi

$(DONE)/system-test: requirements/apt-test.txt | $(DONE)/venv
	@if scripts/setup.sh system requirements/apt-test.txt "make test"; then touch $@; elif [ $$? -ne 3 ]; then exit 1; fi

# No stamp: the cache belongs to the user and may go away; asking it takes a tenth of a second.
.PHONY: models
models: $(DONE)/packages ## Fetch models and samples that are not in the user's cache
	@$(BIN)/python -m speechpipe_common.downloads $(MODELS) >/dev/null

.PHONY: demo
demo: setup ## Run the whole pipeline on real speech in several languages and check what it says
	@$(BIN)/speechpipe demo

.PHONY: up
up: setup ## Run the pipeline of $(PIPELINE) on this machine until Ctrl-C
	@$(BIN)/speechpipe up -f $(PIPELINE)

.PHONY: kubernetes
kubernetes: $(DONE)/venv ## Find or build the commands of Kubernetes that the operator's tests run
	@go=$$(scripts/setup.sh go); PATH="$${go:+$$go:}$$PATH" $(BIN)/python scripts/kubernetes.py

.PHONY: helm
helm: $(DONE)/venv ## Find or build Helm, which the chart's tests run
	@go=$$(scripts/setup.sh go); PATH="$${go:+$$go:}$$PATH" $(BIN)/python scripts/kubernetes.py helm

.PHONY: prometheus
prometheus: ## Find Prometheus and promtool, or unpack Debian's into the cache, for the tests of rules and dashboards
	@scripts/setup.sh prometheus

.PHONY: test
test: setup $(DONE)/system-test kubernetes prometheus helm ## Run every suite: lint, then the tests of every member and of the house
	@$(BIN)/python scripts/check.py --lint --test $(MEMBERS)

.PHONY: coverage
coverage: setup $(DONE)/system-test kubernetes prometheus helm ## Run every suite, and say what each member's covers, its processes too; takes a third longer
	@$(BIN)/python scripts/check.py --test --coverage $(MEMBERS)

.PHONY: images
images: setup ## Build the container images and keep them as archives; IMAGES="gateway stt-cuda" names some, BASE, REGISTRY and TAG as in docs/images.md
	@$(BIN)/python scripts/images.py build $(IMAGES)

.PHONY: cluster
cluster: setup ## Create a kind cluster of three nodes on this machine; NODE_IMAGE=kindest/node:v1.33.4 or built, CLUSTER=name
	@$(KIND) up

.PHONY: cluster-down
cluster-down: $(DONE)/packages ## Remove the cluster and all that it, or a run that was killed, has left
	@$(KIND) down

# A cluster that KUBECONFIG names must be able to pull the images itself.
.PHONY: e2e
e2e: setup helm prometheus ## Test everything in real pods: a kind cluster made for it (KEEP=1 lets it stay), or the one of KUBECONFIG
	@[ -n "$${KUBECONFIG:-}" ] || docker compose version >/dev/null 2>&1 || scripts/setup.sh system requirements/apt-compose.txt "make e2e"
	@$(KIND) with --images -- $(BIN)/python scripts/check_pods.py

.PHONY: faults
faults: setup kubernetes prometheus ## Break whole pipelines of real processes (a part of `make test`)
	@$(BIN)/pytest --rootdir=e2e/local e2e/local

.PHONY: soak
soak: setup helm ## The same, and the faults in real pods, ten times as often; takes long
	@$(BIN)/pytest --rootdir=e2e/local e2e/local --soak
	@$(BIN)/pytest --rootdir=operator operator/tests/test_operator_faults.py --soak --timeout=3600
	@$(KIND) with --images -- $(BIN)/pytest --rootdir=e2e/cluster e2e/cluster/test_faults.py --soak --timeout=14400

.PHONY: lint
lint: setup ## Check style, types (mypy --strict) and import contracts
	@$(BIN)/python scripts/check.py --lint $(MEMBERS)

.PHONY: bench
bench: setup ## Measure against the bars and write docs/benchmarks.md; BENCH="wer streams" runs some, DEVICE=cuda those that a GPU matters for
	@$(BIN)/python bench/run.py --speech $(SPEECH) --device $(or $(DEVICE),cpu) $(BENCH)

.PHONY: bench-operator
bench-operator: kubernetes ## Measure the operator with a thousand pipelines on a real API server; takes half an hour
	@$(BIN)/python bench/operator_scale.py

.PHONY: fmt
fmt: setup ## Format the code and sort its imports
	@$(BIN)/ruff check --fix --quiet --exit-zero .
	@$(BIN)/ruff format .

.PHONY: generate
generate: $(DONE)/packages ## Write docs/settings.md, docs/metrics.md, crds/, docs/resource.md, the chart's values and dashboards from the types in the code
	@$(BIN)/python -m speechpipe_common.settings $(SETTINGS) >$(SETTINGS_PAGE)
	@$(BIN)/python -m speechpipe_operator.crd $(CRD) $(RESOURCE_PAGE)
	@$(BIN)/python scripts/monitoring/metrics_page.py >$(METRICS_PAGE)
	@$(BIN)/python charts/source/generate.py $(CHART)
	@$(BIN)/python charts/dashboards/generate.py $(CHART)

.PHONY: lock
lock: $(DONE)/venv ## Pin every dependency again (requirements/*.txt), by hash
	@UV=$(BIN)/uv requirements/compile.sh

.PHONY: clean
clean: ## Remove .venv and caches of the tools; models stay in the user's cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* build
	@find . -name __pycache__ -prune -exec rm -rf {} +

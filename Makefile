# Slipway's two commands are `make demo` and `make test`; the rest is for contributors.
.DEFAULT_GOAL := help
.PHONY: help demo test lint types audit bench bench-judge generate docs lock clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
    command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# One environment in the checkout, from the hashed lock; built anew when the lock or the project file changes.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## rehearse a good release and two bad ones on this machine (KEEP=1 leaves it running)
	PYTHONPATH=examples $(BIN)/python -m demo $(if $(KEEP),--keep)

# The end-to-end modules wait a part of their time, so one more of them runs than there are processors on a small machine:
# with two more nothing was done sooner, and everything waited for its turn. A module stays in one process, so that its
# tests can share a sandbox; kept in this order, the long ones begin first.
# Whatever the shell says, compiled files are kept: every process of the run would compile the same files again.
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY) ## run every test, the end-to-end ones included (ARGS="-n0 -k words" for fewer, one after the other)
	$(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY) ## check format, lint rules and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(READY) ## check the types of both packages
	$(BIN)/mypy

# Both need nothing of the project's own environment, and the first one asks a database on the network, so neither is part
# of what has to hold before a change lands. Credentials are looked for by their form: what only looks random is a hash here.
audit: ## look for known vulnerabilities in what is locked, and for credentials in what is committed (needs a network)
	@test -x build/audit/bin/pip-audit || { $(PYTHON) -m venv build/audit && \
	  build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1 detect-secrets==1.5.0; }
	git ls-files -z | xargs -0 build/audit/bin/detect-secrets-hook --disable-plugin Base64HighEntropyString \
	  --disable-plugin HexHighEntropyString --disable-plugin KeywordDetector --disable-plugin BasicAuthDetector
	build/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock
	build/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement operator/requirements.lock

bench: $(READY) ## measure, and print the numbers the documents quote
	PYTHONPATH=examples $(BIN)/python tests/bench

bench-judge: $(READY) ## simulate how often the judge is wrong, and write docs/benchmarks/judge.md
	$(BIN)/python tests/bench/judge.py --replications 600 --jobs 2 --write docs/benchmarks/judge.md

generate: $(READY) ## write the files that are generated from the code
	$(BIN)/python -m slipway.api.crd crds
	$(BIN)/python -m slipway.api.document docs/reference
	$(BIN)/python -m slipway.rollout.document docs
	$(BIN)/python -m slipway.cli.document docs
	$(BIN)/python charts/generate.py
	PYTHONPATH=tests:examples $(BIN)/python tests/unit/gitops/record.py gitops

docs: $(READY) ## build the documentation site into build/site
	$(BIN)/python -m mkdocs build --strict --quiet

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --output-file requirements.lock
	echo setuptools | uv pip compile pyproject.toml - --extra stores --extra delivery --extra signing --extra traces \
	  --constraint requirements.lock --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --output-file operator/requirements.lock

clean: ## remove the environment and the caches
	rm -rf $(VENV) build/audit .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

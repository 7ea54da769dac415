# make demo · make test · make bench · make lint — each sets up what it needs first. No root needed, except for system packages.
# PYTHON=/path chooses the Python that .venv is made with; PYTEST="-k name" adds arguments to the tests.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help deps deps-python deps-tools demo test unit e2e root bench clients lint format lock clean

export PYTHON
venv := .venv
run := PATH="$(CURDIR)/$(venv)/bin:$(CURDIR)/.tools/bin:$$PATH:/usr/local/sbin:/usr/sbin:/sbin"
pytest := $(run) $(venv)/bin/python -m pytest
# Compiling and hashing tests are CPU-bound: one worker a core is as quick as it gets.
workers ?= auto

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## system packages, .venv, the C extension, the Go tools; only what is stale
	@tools/system.sh
	@tools/python-deps.sh
	@tools/project.sh
	@tools/go-tools.sh

demo: deps ## the main job for real: an S3 store, the agent, AWS CLI and boto3, at least 16 uploads
	@$(run) $(venv)/bin/python demo/run.py $(DEMO)

test: deps ## every test: unit, end to end, those that need root, those that hold the agent to a time
	@tools/node-tools.sh
	@$(run) tools/test.sh

unit: deps ## the quick tests only
	@$(pytest) -n $(workers) -m 'not e2e and not root' $(PYTEST)

bench: deps ## the figures of docs/benchmarks.md, into bench/results.json
	@$(run) $(venv)/bin/python bench/run.py $(BENCH)

clients: deps ## drives every client of the matrix, and writes docs/clients.md of what was seen (PYTEST="-k s3": some of them)
	@tools/node-tools.sh
	@$(run) tools/clients.sh

lint: deps ## style, types, import directions, words, policies, scripts
	@$(run) tools/lint.sh

format: deps ## puts code into the house form
	@$(venv)/bin/ruff check --fix --quiet . || true
	@$(venv)/bin/ruff format --quiet .

lock: ## pins requirements/*.txt anew from pyproject.toml (UPGRADE=1: newest versions)
	@tools/lock.sh

clean: ## removes everything that was built here
	@rm -rf $(venv) .tools build dist .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find agent connectors -name '*.so' -delete -o -name '*.egg-info' -prune -exec rm -rf {} +
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

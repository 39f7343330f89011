# `make demo` and `make test` work on a fresh checkout: each sets up .venv first, and again only when needed.

PYTHON ?= python3
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lint clean
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile
	@echo "variables: PYTHON=$(PYTHON) (3.11 or newer), WORKERS=$(WORKERS) (test processes), PYTEST_ARGS"

demo: $(VENV)/.installed-demo ## explain three synthetic cases with the shipped model
	$(BIN)/agg2exp explain experiment=demo

# One thread for each test process: several threads each would compete for the same cores.
test: $(VENV)/.installed-test ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## check style, types and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean: ## remove .venv, caches and builds; results of runs stay
	rm -rf $(VENV) dist build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: installed once, and again when the requirements change. Nothing outside .venv is touched.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "agg2exp needs Python 3.11 or newer, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one, for example: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

EXTRAS_test := [test]
EXTRAS_dev := [dev]

$(VENV)/.installed-%: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing agg2exp and what it needs into $(VENV), which takes some minutes the first time."
	$(INSTALL) --editable '.$(EXTRAS_$*)'
	@touch $@

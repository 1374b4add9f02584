# Needs Python 3.11+ and make; everything else is installed into .venv from uv.lock.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_VERSION := 0.13.8
# An environment that happens to be active is none of this project's business.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
BIN := .venv/bin
INSTALLED := .venv/.installed
# One more than there are processors: many tests wait for files and other processes.
WORKERS := $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))

.PHONY: help install demo ui test test-daemon test-slow lint format clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(INSTALLED) ## Install the project and its tools into .venv

$(INSTALLED): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	@test -x .uv/bin/uv || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@# Behind a proxy that signs for itself, the system's certificates know it where uv's own do not.
	.uv/bin/uv sync --frozen --quiet --python $(PYTHON) || .uv/bin/uv sync --frozen --quiet --python $(PYTHON) --system-certs
	@touch $@

demo: $(INSTALLED) ## Run the sample arena and show its leaderboard
	@$(BIN)/aitrader run
	@$(BIN)/aitrader leaderboard
	@echo
	@echo 'Next:  make ui                                      the same arena in the Dagster UI'
	@echo '       $(BIN)/aitrader timeseries momentum         one portfolio, session by session'
	@echo '       $(BIN)/aitrader results --date 2013-03-01 --detail full'

ui: $(INSTALLED) ## Start the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/aitrader ui

test: $(INSTALLED) ## Run the tests
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term $(PYTEST_ARGS)

test-daemon: $(INSTALLED) ## Run the tests of whole served arenas, which take minutes
	@$(BIN)/pytest -m daemon $(PYTEST_ARGS)

test-slow: $(INSTALLED) ## Run the tests that recompute whole arenas or kill them again and again
	@$(BIN)/pytest -m slow $(PYTEST_ARGS)

lint: $(INSTALLED) ## Check style, types and safety
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy scripts benchmarks
	$(BIN)/bandit --quiet --recursive aitrader_pipeline scripts --configfile pyproject.toml

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment and every cache; runtime state in data/ stays
	rm -rf .venv .uv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

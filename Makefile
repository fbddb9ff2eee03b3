# kelvin: `make run` plays, `make test` tests; each sets up what it needs. `make help` lists all.

PYTHON ?= python3
PYTHON312 ?= python3.12
PYTHON_SGLANG ?= $(PYTHON)
RECIPE ?= laptop
RUN ?= runs/$(if $(filter laptop,$(RECIPE)),first,$(RECIPE))
ARGS ?=
MINUTES ?= 10
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install run test test-nsjail test-sglang check fuzz stress bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  variables: RECIPE=laptop|smoke|FILE.toml  RUN=runs/NAME  MINUTES=10  ARGS='--engine.minutes 5'  PYTHON=python3.12"

install: .venv/ready ## make .venv and install kelvin with everything that run and test need

.venv/ready: pyproject.toml constraints/cpu.txt scripts/preflight.sh scripts/packages.sh
	@sh scripts/preflight.sh $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing kelvin into .venv (torch is the large one; a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/cpu.txt torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/cpu.txt -e '.[train,dev]'
	@touch $@

run: .venv/ready ## self-play with engine and trainer as two processes (about 15 minutes); again: goes on
	@$(BIN)/engine serve --run $(RUN) --recipe $(RECIPE) --with-trainer $(ARGS)

test: .venv/ready ## the whole test suite
	@$(BIN)/python -m pytest -q $(ARGS)

test-nsjail: .venv-nsjail/ready ## the tests of the sandbox with nsjail as its jail, on Python 3.12 or newer
	@.venv-nsjail/bin/python -m pytest -q tests/sandbox --jail nsjail $(ARGS)

.venv-nsjail/ready: pyproject.toml scripts/nsjail-env.sh scripts/packages.sh scripts/preflight.sh
	@sh scripts/nsjail-env.sh .venv-nsjail $(PYTHON312)
	@touch $@

test-sglang: .venv/ready .venv-sglang/ready ## the policy against a real SGLang server on the CPU, and a run with it
	@SGLANG_PYTHON=$(CURDIR)/.venv-sglang/bin/python .venv/bin/python -m pytest -q -m sglang --timeout=900 tests/engine tests/e2e $(ARGS)

.venv-sglang/ready: constraints/cpu.txt scripts/sglang-env.sh scripts/packages.sh $(wildcard scripts/sglang_cpu/*)
	@sh scripts/sglang-env.sh .venv-sglang $(PYTHON_SGLANG)
	@touch $@

check: .venv/ready ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

fuzz: .venv/ready ## MINUTES=10 of Hypothesis against the sandbox and the wire, in rounds
	@$(BIN)/python -m pytest -q -m 'not stress' --fuzz-minutes $(MINUTES) --timeout=3600 tests/sandbox tests/wire $(ARGS)

stress: .venv/ready ## thousands of kill -9 rounds
	@$(BIN)/python -m pytest -q -m stress --timeout=7200 $(ARGS)

bench: .venv/ready ## executor and ring against their rivals, in one run each
	@$(BIN)/python -m benchmarks.executor
	@$(BIN)/python -m benchmarks.ring

clean: ## remove what was built; runs/ and .cache/ stay
	@rm -rf .venv .venv-nsjail .venv-sglang .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

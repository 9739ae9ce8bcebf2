# make demo    the whole service on this machine; ONCE=1 ends after the script, DEMO_ARGS="..." passes options
# make test    what the tests need, then all checks and tests, in as many processes as there are cores
# make lint    formatting, types and the order of rooms alone
# make soak    minutes of steady load; SOAK_SECONDS=n for longer
# make bench-sms  how fast the SMS path is, minutes; BENCH_ARGS="--help" shows what can be asked
# make bench-trust  how fast the trust party is, a minute or two; BENCH_ARGS="--help" shows what can be asked
# make bench-voice  the same for the voice path; needs sipp

# The distribution's own where there is one: it is built with profiles and link-time optimization, which a build from
# source is as a rule not, and a message costs a fifth less with it (docs/performance.md).
PYTHON ?= $(shell for each in /usr/bin/python3.11 python3.11 python3; do \
    "$$each" -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && \
    command -v "$$each" && exit; done)
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input

.PHONY: help demo test lint soak bench-sms bench-trust bench-voice peers

help:
	@sed -n '/^# make/s/^# //p' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed
	@$(BIN)/ascs demo $(if $(ONCE),--once) $(DEMO_ARGS)

test: lint peers
	@echo "== tests"
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(TEST_ARGS)

lint: $(VENV)/.installed-test
	@echo "== ruff, mypy, import-linter"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "not formatted: run $(BIN)/ruff format"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >$(VENV)/lint-imports.out || { cat $(VENV)/lint-imports.out; exit 1; }

soak: $(VENV)/.installed-test
	@$(BIN)/python -m pytest -m soak $(TEST_ARGS)

bench-sms: $(VENV)/.installed
	@$(BIN)/python -m bench.sms $(BENCH_ARGS)

bench-trust: $(VENV)/.installed
	@$(BIN)/python -m bench.trust $(BENCH_ARGS)

bench-voice: $(VENV)/.installed peers
	@$(BIN)/python -m bench.voice $(BENCH_ARGS)

# Programs from Debian that the tests meet as peers. Without them, and without root to install them, the
# tests that need one are named as skipped; with CI=true they fail.
peers: | $(BIN)/pip
	@missing=$$(PATH="$$PATH:/usr/local/sbin:/usr/sbin:/sbin"; sed 's/#.*//' tests/peers.txt | \
	    while read -r package program; do \
	        [ -z "$$package" ] || command -v "$$program" >/dev/null || echo "$$package"; \
	    done); \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	    echo "== test peers not installed:" $$missing; \
	    exit 0; \
	fi; \
	echo "== installing test peers:" $$missing; \
	export DEBIAN_FRONTEND=noninteractive; \
	install() { apt-get install --yes --quiet=2 --no-install-recommends $$missing; }; \
	install >$(VENV)/peers.out 2>&1 || { apt-get update --quiet=2 && install; } >>$(VENV)/peers.out 2>&1 || \
	    { tail -5 $(VENV)/peers.out; echo "== the test peers could not be installed"; }

$(BIN)/pip:
	@[ -n "$(PYTHON)" ] && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	    echo "Python 3.11 with venv is needed (on Debian: apt-get install python3-venv):"; \
	    echo "PYTHON=/path/to/python3.11 make ..."; exit 1; }
	@echo "== making $(VENV) with $$("$(PYTHON)" --version), $(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV) || \
	    { echo "on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/pip
	@echo "== installing what the product needs"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-test: requirements-test.lock $(VENV)/.installed | $(BIN)/pip
	@echo "== installing what the tests need"
	@$(PIP) install --require-hashes -r requirements-test.lock
	@touch $@

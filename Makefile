# Every target is one line of its own. Needs make and Python 3.11 or newer, nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
MIGRATIONS := layers/core/remanence/db/migrations
SOURCES := layers/core functions tests
# Tests wait more than they compute: three at a time, each with a Postgres of its own.
WORKERS ?= 3
# A fresh clone is compiled once, and not again in each process that a test starts.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check fix dev lock schema openapi golden build deploy smoke sizes coldstart perf fuzz live venv help

run:  ## Everything on this machine: install, start the database, serve on 127.0.0.1:8283
	@infra/scripts/venv runtime && exec $(BIN)/remanence dev

test: dev  ## All tests; no network, no keys, a database of their own
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: dev  ## What CI runs: format, lint, types, import contracts, migrations, tests
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/squawk $(MIGRATIONS)/*.sql
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

fix: venv  ## Format, and fix what ruff can fix
	$(BIN)/ruff check --fix $(SOURCES); $(BIN)/ruff format $(SOURCES)

dev: venv  ## .venv with all tools, and what the tests need besides
	@infra/scripts/test-tools

lock: venv  ## Lock files from pyproject.toml (ARGS=--upgrade takes the newest)
	@infra/scripts/lock $(ARGS)

schema: venv  ## infra/schema.sql from the migrations, for reading
	@$(BIN)/pytest -q tests/db/test_schema.py --rewrite

openapi: venv  ## infra/openapi.json from the routes
	@$(BIN)/pytest -q tests/api/test_openapi_document.py --rewrite

golden: venv  ## Rewrite the golden files of the tests; review them as a diff
	@$(BIN)/pytest -q tests --rewrite

build:  ## The Lambda bundle (sam build); needs python3.13
	@infra/scripts/venv dev && infra/scripts/build $(ARGS)

deploy: dev  ## Build, validate, doctor, deploy, migrate, smoke (STAGE=default or prod)
	@infra/scripts/deploy $(or $(STAGE),default)

smoke: dev  ## Whether a deployment works, from outside (URL=, KEY= also from the environment)
	@REMANENCE_API_KEY="$${KEY:-$$REMANENCE_API_KEY}" $(BIN)/remanence smoke "$(URL)" $(ARGS)

sizes: dev  ## The largest file, function and import cycle
	@$(BIN)/pytest -q -s tests/rules/test_sizes.py

coldstart: dev  ## infra/COLD_START.md, measured: what a start costs (ARGS=<a build's folder>)
	@$(BIN)/python tests/perf/cold_import.py $(ARGS)

perf: dev  ## The budgets, on a quiet machine
	@$(BIN)/pytest -m perf $(ARGS)

fuzz: dev  ## Ten thousand requests made from the OpenAPI document, two minutes
	@$(BIN)/pytest -q -s -m fuzz tests/fuzz $(ARGS)

live: dev  ## One smoke test per model provider that has a key
	@$(BIN)/pytest -m live $(ARGS)

venv:
	@infra/scripts/venv dev

help:  ## This list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 16

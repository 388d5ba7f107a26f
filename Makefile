# What a person does with the project. Plain `make` lists it. Every path is relative, so the folder may have any name.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run ui test lint bench docs schemas lock venv check clean clean-data

# More arguments for the command behind a target: make run ARGS=--json, make test ARGS="tests/ingest -k gzip"
ARGS ?=
# Processes of the test run; on 2 cores, 2 are faster than 1 and than 3
WORKERS ?= 2
# The Python to make .venv with; without it, the first that is new enough
export PYTHON ?=

# No tool phones home, however it is started from here.
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

run: venv ## simulate the sample tenants if there is no data, run the whole pipeline, print a summary
	@.venv/bin/analytics-dagster run $(ARGS)

ui: venv ## the Dagster UI and its daemon, until Ctrl-C
	@exec .venv/bin/analytics-dagster ui $(ARGS)

test: venv ## all tests, with at least 95 % branch coverage (ARGS="tests/ingest": only those)
	@.venv/bin/python -m pytest -n $(WORKERS) --durations=10 $(if $(ARGS),$(ARGS),--cov --cov-fail-under=95)

lint: venv ## style, types, the layout's rules, SQL: every tool, even after one failed
	@failed=; \
	check() { echo "› $$*"; ".venv/bin/$$@" || failed="$$failed $$1"; }; \
	check ruff check . ; \
	check ruff format --check . ; \
	check mypy ; \
	check lint-imports ; \
	check sqlfluff lint dbt_project ; \
	if [ -n "$$failed" ]; then echo "✗ failed:$$failed"; exit 1; fi

bench: venv ## the figures the README claims, measured here
	@for file in benchmarks/[!_]*.py; do echo "› $$file"; .venv/bin/python "$$file" $(ARGS) || exit 1; done

docs: venv ## the models, their columns and lineage as one HTML file below var/docs
	@.venv/bin/analytics-dagster docs

schemas: venv ## after a change of a contract or of events/: renew JSON Schemas, docs/events.md and the dbt source
	@.venv/bin/python -m analytics_dagster.schemas.export $(ARGS)

lock: ## renew requirements.lock with the newest versions that pyproject.toml allows (needs the network)
	@python=$$(sh scripts/bootstrap.sh check) && \
	"$$python" -m venv .venv-lock && .venv-lock/bin/python -m pip install -q --disable-pip-version-check uv
	@.venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --extra dev pyproject.toml --output-file requirements.lock
	@rm -rf .venv-lock
	@echo "› requirements.lock is renewed; make test, then commit it"

venv: ## make .venv, or bring it up to date (the other targets do this first)
	@sh scripts/bootstrap.sh install

check: ## look whether this machine has what the project needs
	@python=$$(sh scripts/bootstrap.sh check) && echo "› $$python will do"

clean: ## remove .venv and caches; data stays
	@rm -rf .venv .venv-lock .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov .coverage* \
		build dist analytics_dagster.egg-info dbt_project/target dbt_project/logs dbt_project/.user.yml
	@find . \( -name .git -o -name var \) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "› .venv and caches are gone, data is not (make clean-data)"

clean-data: venv ## say what data there is; with CONFIRM=yes, delete it
	@.venv/bin/python scripts/clean_data.py $(if $(filter yes,$(CONFIRM)),--confirmed)

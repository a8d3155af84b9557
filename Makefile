# Interchange. 'make' alone lists what there is; only Python 3.11+ and make are needed.
.DEFAULT_GOAL := help
.PHONY: help run test test-services test-browser bench bench-quick bench-sync bench-pages lint audit format lock \
	venv-run venv-dev
SHELL := /bin/sh

# The first Python that is new enough; else python3, whose bootstrap then says what is missing.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && exit; done; echo python3)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -p tests.plugins.no_skips
# More arguments for pytest: make test ARGS="-k mapping"
ARGS ?=

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
		while IFS='|' read -r target text; do printf '%-22s %s\n' "$$target" "$$text"; done

run: venv-run ## Start Interchange (web, worker, scheduler, sandbox); PORT=9000 chooses another port
	@PORT="$(PORT)" exec $(BIN)/python -m hub.supervisor

test: venv-dev ## Run the tests that need no service, in parallel
	$(PYTEST) -n auto $(ARGS)

# TEST_DATABASE_URL, TEST_REDIS_URL and TEST_RABBITMQ_URL say where the services are; else on this machine.
TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/interchange

# What speaks to the database is proved on PostgreSQL as well, not only on SQLite.
ON_POSTGRESQL := tests/hub/accounts tests/hub/connections tests/hub/delivery tests/hub/events tests/hub/metrics tests/hub/sync tests/hub/files tests/hub/quality \
	tests/hub/api tests/hub/config tests/webhooks

test-services: venv-dev ## Run the tests with PostgreSQL, Redis and RabbitMQ (localhost, or TEST_…_URL)
	HUB_DATABASE_URL="$(TEST_DATABASE_URL)" $(PYTEST) -n auto $(ON_POSTGRESQL)
	HUB_DATABASE_URL="$(TEST_DATABASE_URL)" $(PYTEST) -m services $(ARGS)

test-browser: venv-dev ## Run the tests in a browser (Chromium)
	$(PYTEST) -m browser $(ARGS)

bench: venv-dev ## Measure speed beside its peers (bench/README.md); PostgreSQL and Redis on localhost
	@$(BIN)/python -m bench $(ARGS)

bench-quick: venv-dev ## The same with fewer events, within 50 seconds; the last line is JSON
	@$(BIN)/python -m bench --quick $(ARGS)

bench-sync: venv-dev ## Measure import, push, pull and schedules on PostgreSQL and SQLite; ROWS=100000 is short
	@$(BIN)/python -m bench.syncing $(ARGS)

bench-pages: venv-dev ## How long each page and reading endpoint takes over millions of rows (PostgreSQL)
	@$(BIN)/python -m bench.pages $(ARGS)

lint: venv-dev ## Check style, types, the floors of the house, migrations and generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy hub integrations webhooks tools
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r hub integrations webhooks tools
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python manage.py providerdocs --check

audit: venv-dev ## Hold the locks against the known vulnerabilities (asks pypi.org; AUDIT="-s osv" asks osv.dev)
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off $(AUDIT) -r requirements.lock

format: venv-dev ## Put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := .venv/installer/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header $(if $(UPGRADE),--upgrade)

lock: venv-dev ## Write the locks anew from pyproject.toml; UPGRADE=1 takes newer versions
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --group installer -o requirements-installer.lock

venv-run:
	@$(PYTHON) tools/bootstrap.py run

venv-dev:
	@$(PYTHON) tools/bootstrap.py dev

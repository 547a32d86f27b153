# Two commands: `make compare` and `make test`. Each sets itself up; a second run re-uses .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# All tests mostly wait, so two files at a time are run; within a file one after the other.
ALL    := -n 2 --dist loadfile

.DEFAULT_GOAL := compare
.PHONY: compare test bench lint types proto openapi lock clean

# The locks are whole, so pip resolves nothing (older pips cannot, with hashes, where a package asks for another's extra);
# `pip check` says so where a lock is not.
$(VENV)/.runtime: requirements.lock pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "sametask needs Python >= 3.11, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing pinned packages into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/pip check --disable-pip-version-check >/dev/null || $(BIN)/pip check --disable-pip-version-check
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

compare: $(VENV)/.runtime
	@$(BIN)/sametask compare $(ARGS)

test: $(VENV)/.dev
	@$(BIN)/pytest $(or $(ARGS),$(ALL))

# Not a test: it takes minutes, and wants a machine that does nothing else.
bench: $(VENV)/.runtime
	@$(BIN)/python -m sametask.measurements.timing.throughput $(ARGS)
	@$(BIN)/python -m sametask.measurements.timing.tail
	@$(BIN)/python -m sametask.measurements.timing.startup
	@$(BIN)/python -m sametask.measurements.timing.durable

lint: $(VENV)/.dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/pyright

proto: $(VENV)/.dev
	@$(BIN)/python -m sametask.proto

openapi: $(VENV)/.dev
	@$(BIN)/python -m sametask.measurements.integration.generate

lock:
	uv pip compile --no-header --universal --generate-hashes --python-version 3.11 --extra stock --extra distributed --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile --no-header --universal --generate-hashes --python-version 3.11 --extra stock --extra distributed -c requirements-dev.lock pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info

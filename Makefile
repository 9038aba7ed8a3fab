# Plain POSIX make: sets up .venv and calls the one command behind everything, msgport.
.POSIX:

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet
ARGS =

all: run

$(VENV)/made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "msgport needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $(VENV)/made

# A run needs little; what virtual machines and tests need may not be had everywhere.
$(VENV)/for-run: $(VENV)/made pyproject.toml
	$(PIP) --editable .
	touch $(VENV)/for-run

$(VENV)/for-test: $(VENV)/made pyproject.toml
	$(PIP) --editable '.[dev,vm]'
	touch $(VENV)/for-test $(VENV)/for-run

run: $(VENV)/for-run
	$(BIN)/msgport run $(ARGS)

test: $(VENV)/for-test
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(VENV)/for-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: all run test lint clean

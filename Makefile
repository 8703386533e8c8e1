# Everything from a fresh checkout: make demo, make test (the quick tests), make test-slow (the others).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# torch first and by itself, in place of a range.
TORCH := torch==2.13.0
# PyPI's PyTorch for Linux brings CUDA: make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu does without.
TORCH_INDEX ?=

.PHONY: demo test test-slow lint format bench docs clean

demo: $(VENV)/installed
	$(BIN)/ribospace demo

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow tests

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV) demo build *.egg-info

$(VENV)/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[full]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed scripts/browser_for_tests.sh
	$(BIN)/python -m pip install --quiet --editable ".[dev,docs]"
	scripts/browser_for_tests.sh build/axe
	touch $@

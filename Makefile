PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/py311.txt
PEERS_LOCK := requirements/peers-py311.txt

export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS = 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES = -1

.PHONY: help train test test-all lint format bench clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/ready: $(LOCK) setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement $(LOCK)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/peers: $(VENV)/ready $(PEERS_LOCK)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement $(PEERS_LOCK)
	touch $@

train: $(VENV)/ready  ## Run the main job: data set, features, training, evaluation, report
	$(BIN)/python -m experiments.train --config=configs/quickstart.py

test: $(VENV)/ready  ## Run the tests, without the slow ones
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/ready $(VENV)/peers  ## Run every test, the slow ones and the parity tests included
	$(BIN)/python -m pytest

lint: $(VENV)/ready  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/ready $(VENV)/peers  ## Print timings beside named rivals, measured in one run; TOPICS="..." for others
	$(BIN)/python -m benchmarks.run $(TOPICS)

clean:  ## Remove the environment, caches and runs
	rm -rf $(VENV) .cache runs build *.egg-info

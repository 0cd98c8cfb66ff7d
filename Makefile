PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/py$(shell $(PYTHON) -c 'import sys; print("%d%d" % sys.version_info[:2])').txt
DOCS_LOCK := requirements/docs-py311.txt
PEERS_LOCK := requirements/peers-py311.txt
TORCH := requirements/torch-py311.txt
SEED ?= 2026
CASES ?= media=20000 weights=5000 manifests=5000 run_configs=2000
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS = 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES = -1

.PHONY: help install train test test-all mutants torture lint format docs bench fuzz accelerator locks clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(LOCK):
	@echo "error: there is no $@; use PYTHON=python3.11, python3.12 or python3.13." >&2; exit 2

$(VENV)/ready: $(LOCK) setup.py
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes --requirement $(LOCK)
	$(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/docs: $(VENV)/ready $(DOCS_LOCK)
	$(INSTALL) --require-hashes --requirement $(DOCS_LOCK)
	touch $@

$(VENV)/peers: $(VENV)/ready $(PEERS_LOCK) $(TORCH)
	$(INSTALL) --require-hashes --requirement $(PEERS_LOCK)
	$(INSTALL) --requirement $(TORCH)
	touch $@

install: $(VENV)/ready  ## Make .venv with the pinned packages and the command `avx`

train: $(VENV)/ready  ## Run the main job: data set, features, training, evaluation, report
	$(BIN)/avx train --config=configs/quickstart.py

test: $(VENV)/ready  ## Run the tests, without the slow ones
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: $(VENV)/ready $(VENV)/peers  ## Run every test, the slow ones and the parity tests included
	$(BIN)/python -m pytest

mutants: $(VENV)/ready  ## Change one line at a time and ask whether the unit tests notice; COUNT=... SEED=... for others
	$(BIN)/python -m tests.mutation --count=$(or $(COUNT),200) --seed=$(or $(SEED),0)

torture: $(VENV)/ready  ## Tear, flip, fill, kill and start twice what runs write; half an hour, figures at the end
	AVX_TORTURE=1 $(BIN)/python -m pytest tests/robustness

lint: $(VENV)/ready  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready  ## Lay the code out as `make lint` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/docs  ## Build the site: build/docs/index.html; a warning is an error
	rm -rf build/docs docs/api  # pages of modules that have moved
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs

bench: $(VENV)/ready $(VENV)/peers  ## Print timings beside named rivals, measured in one run; TOPICS="..." for others
	$(BIN)/python -m benchmarks.run $(TOPICS)

accelerator:  ## Hold an accelerator to the processor beside it and print its rates; needs jax, no network
	$(if $(wildcard $(VENV)/ready),$(BIN)/python,$(PYTHON)) -m benchmarks.accelerator

fuzz: $(VENV)/ready  ## Run mutants of files past the readers; CASES="media=500" SEED=1 for others; report in build/fuzz
	PYTHONPATH=tests:. $(BIN)/python -m fuzz.campaign --seed=$(SEED) $(CASES)

locks:  ## Pin the newest packages that fit setup.py; needs uv and python3.11 to python3.13
	for python in 3.11 3.12 3.13; do \
	  uv pip compile --quiet --upgrade --extra dev --python-version $$python --generate-hashes --no-header --no-annotate \
	    --output-file requirements/py$${python%.*}$${python#*.}.txt setup.py || exit 1; \
	done
	printf 'sphinx\nmyst-parser\nfuro\n' | uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --constraint requirements/py311.txt --output-file $(DOCS_LOCK) -
	sed -n 's/^\([A-Za-z][^ ]*==[^ ]*\).*/\1/p' $(PEERS_LOCK) > $(PEERS_LOCK).pins
	uv pip compile --quiet --no-deps --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --output-file $(PEERS_LOCK) $(PEERS_LOCK).pins
	rm $(PEERS_LOCK).pins

clean:  ## Remove the environment, caches and runs
	rm -rf $(VENV) .cache runs build *.egg-info

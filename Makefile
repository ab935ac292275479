# One virtual environment, stamps in it, and nothing done twice.
PYTHON ?= python3
PORT ?= 8765
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
VIEWER := $(shell find service/viewer clients/js/src clients/js/browser clients/js/examples -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
INSTALLED := $(VENV)/.installed
TESTABLE := $(VENV)/.testable
FAST := $(VENV)/.fast
SYSTEM := $(VENV)/.system
NODE := $(VENV)/.node
SITE := $(VENV)/.site
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
SIZE := 360 MB on disk, one to three minutes

PYTEST := $(BIN)/python -m pytest
# Every core up to four, for each may train a network; the tests of one file share what they set up.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile

.PHONY: demo install check docs test test-fast format clean

demo: install  ## Serve the built-in session and print the address to open
	@echo "Starting the demo; Ctrl-C stops it"
	@$(BIN)/myocast serve demo: --port $(PORT)

install: $(INSTALLED)  ## .venv with the console script .venv/bin/myocast

$(INSTALLED): pyproject.toml constraints.txt hatch_build.py $(VIEWER)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Myocast needs Python 3.11 or newer, found $$($(PYTHON) --version); name one that is: make demo PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/pip || { echo "Making a virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing Myocast into it and building the viewer ($(SIZE); nothing to see meanwhile)"
	@PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial]'
	@touch $@

check: $(TESTABLE)  ## Format, lint, types, import rules, documentation
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python tools/check_docs.py
	$(BIN)/python tools/result_tables.py --check
	$(MKDOCS)

test: check $(SYSTEM) $(NODE)  ## Everything; installs what it needs
	$(PYTEST) $(PARALLEL) -m "not alone"
	$(PYTEST) -m alone

test-fast: $(FAST)  ## Unit tests and contracts; needs no package of the system and no TensorFlow
	$(PYTEST) $(PARALLEL) -q -m "not slow" tests/unit tests/conformance

$(TESTABLE): $(INSTALLED)
	PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial,lsl,plot,train,dev,docs]'
	@touch $@

$(FAST): $(INSTALLED)
	PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial,dev]'
	@touch $@

$(NODE): tests/integration/js/node/package-lock.json $(SYSTEM)
	if command -v npm >/dev/null; then npm ci --prefix tests/integration/js/node --ignore-scripts --no-audit --no-fund --silent; fi
	@touch $@

$(SYSTEM): docker/test-packages.txt | $(INSTALLED)
	sh docker/install-test-packages.sh
	@touch $@

docs: $(SITE)  ## The documentation as a site: build/site/index.html
	$(MKDOCS)

$(SITE): $(INSTALLED)
	PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial,docs]'
	@touch $@

format: $(TESTABLE)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf $(VENV) service/viewer/dist service/viewer/node_modules clients/js/dist clients/js/node_modules tests/integration/js/node/node_modules

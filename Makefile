# One virtual environment, stamps in it, and nothing done twice.
PYTHON ?= python3
PORT ?= 8765
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
VIEWER := $(shell find service/viewer clients/js/src -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
INSTALLED := $(VENV)/.installed
TESTABLE := $(VENV)/.testable
SYSTEM := $(VENV)/.system
NODE := $(VENV)/.node
SITE := $(VENV)/.site

.PHONY: demo install check docs test format clean

demo: install  ## Serve the built-in session and print the address to open
	$(BIN)/myocast serve demo: --port $(PORT)

install: $(INSTALLED)  ## .venv with the console script .venv/bin/myocast

$(INSTALLED): pyproject.toml constraints.txt hatch_build.py $(VIEWER)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial]'
	@touch $@

check: $(TESTABLE)  ## Format, lint, types, import rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy

test: check $(SYSTEM) $(NODE)  ## Everything; installs what it needs
	$(BIN)/python -m pytest

$(TESTABLE): $(INSTALLED)
	PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial,lsl,plot,train,dev]'
	@touch $@

$(NODE): tests/integration/js/node/package-lock.json $(SYSTEM)
	if command -v npm >/dev/null; then npm ci --prefix tests/integration/js/node --ignore-scripts --no-audit --no-fund --silent; fi
	@touch $@

$(SYSTEM): docker/test-packages.txt | $(INSTALLED)
	sh docker/install-test-packages.sh
	@touch $@

docs: $(SITE)  ## The documentation as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

$(SITE): $(INSTALLED)
	PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial,docs]'
	@touch $@

format: $(TESTABLE)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf $(VENV) service/viewer/dist service/viewer/node_modules clients/js/dist clients/js/node_modules tests/integration/js/node/node_modules

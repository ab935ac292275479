# One virtual environment, stamps in it, and nothing done twice.
PYTHON ?= python3
PORT ?= 8765
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
VIEWER := $(shell find service/viewer clients/js/src clients/js/browser clients/js/examples -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
SOURCES := pyproject.toml constraints.txt hatch_build.py $(VIEWER)
INSTALLED := $(VENV)/.installed
TESTABLE := $(VENV)/.testable
FAST := $(VENV)/.fast
SYSTEM := $(VENV)/.system
NODE := $(VENV)/.node
SITE := $(VENV)/.site
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
SIZE := 360 MB on disk, one to three minutes

PYTEST := $(BIN)/python -m pytest
# Two workers a core, for tests often wait; four at most, for each may train a network. The tests of one file
# share what they set up, and tests/conftest.py says which files begin. Arithmetic on one thread: the cores are taken.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 2)
SIDE_BY_SIDE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PYTEST) -n $(WORKERS) --maxprocesses 4 \
	--dist loadfile --no-loadscope-reorder

.PHONY: demo install check types style pages docs test test-fast soak release format audit sbom clean

demo: install  ## Serve the built-in session and print the address to open
	@echo "Starting the demo; Ctrl-C stops it"
	@$(BIN)/myocast serve demo: --port $(PORT)

install: $(INSTALLED)  ## .venv with the console script .venv/bin/myocast

define ENVIRONMENT
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Myocast needs Python 3.11 or newer, found $$($(PYTHON) --version); name one that is: make demo PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/pip || { echo "Making a virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
endef

$(INSTALLED): $(SOURCES)
	$(ENVIRONMENT)
	@echo "Installing Myocast into it and building the viewer ($(SIZE); nothing to see meanwhile)"
	@PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial]'
	@touch $@

check: $(TESTABLE)  ## Format, lint, types, import rules, documentation
	+@$(MAKE) --no-print-directory --jobs 2 types style pages

types: $(TESTABLE)
	$(BIN)/mypy

style: $(TESTABLE)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports

pages: $(TESTABLE)
	$(BIN)/python tools/check_docs.py
	$(BIN)/python tools/result_tables.py --check
	$(MKDOCS)

test: check $(SYSTEM) $(NODE)  ## Everything; installs what it needs
	$(SIDE_BY_SIDE) -m "not alone"
	$(PYTEST) -m alone

test-fast: $(FAST)  ## Unit tests and contracts; needs no package of the system and no TensorFlow
	$(SIDE_BY_SIDE) -q -m "not slow" tests/unit tests/conformance

# In one step, for pip would build the package a second time.
$(TESTABLE): $(SOURCES)
	$(ENVIRONMENT)
	PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial,lsl,brainflow,mindrove,formats,plot,train,dev,docs]'
	@touch $(INSTALLED) $@

$(FAST): $(SOURCES)
	$(ENVIRONMENT)
	PIP_CONSTRAINT=constraints.txt $(PIP) --editable '.[ble,serial,formats,dev]'
	@touch $(INSTALLED) $@

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

soak: $(TESTABLE)  ## An hour at 20 times its speed while faults strike; SEED=2 for others
	$(BIN)/myocast bench --soak --faults $(or $(SEED),1) --check

release: $(TESTABLE)  ## Build and check what a release consists of: build/release; VERSION=0.2.0 names it first
	$(BIN)/python tools/release.py $(if $(VERSION),--set $(VERSION))

# What is pinned and shipped; tools of their own environment, so that they change nothing of what they look at.
AUDIT := build/audit
AUDIT_TOOLS := pip-audit==2.10.1 cyclonedx-bom==7.5.0
LOCKED := service/viewer clients/js

$(AUDIT)/.installed:
	$(ENVIRONMENT)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --disable-pip-version-check $(AUDIT_TOOLS)
	@touch $@

audit: $(AUDIT)/.installed  ## Known holes in what is installed: asks PyPI and npm
	$(AUDIT)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off
	for folder in $(LOCKED); do npm audit --prefix $$folder --omit dev || exit 1; done

sbom: $(AUDIT)/.installed $(INSTALLED)  ## What a release is made of (CycloneDX): build/sbom/*.cdx.json
	mkdir -p build/sbom
	$(AUDIT)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-file build/sbom/python.cdx.json
	for folder in $(LOCKED); do \
		npm sbom --prefix $$folder --package-lock-only --omit dev --sbom-format cyclonedx > build/sbom/$$(echo $$folder | tr / -).cdx.json || exit 1; \
	done

format: $(TESTABLE)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf $(VENV) service/viewer/dist service/viewer/node_modules clients/js/dist clients/js/node_modules tests/integration/js/node/node_modules

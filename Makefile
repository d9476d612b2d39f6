# What a person does with a checkout.  `make demo` and `make test` need nothing but python3 and make:
# they install what the system lacks, make .venv, build the core and do their job.  What is done is skipped.

SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
CORE := $(wildcard src/_lowlevel/*.pyx src/_lowlevel/*.pxd src/_lowlevel/*.h src/_lowlevel/*/*.pxd)
CHECKED := src/fusetree tests examples tools benchmarks docs/conf.py setup.py
TYPED := src/fusetree tests examples tools benchmarks

# $(call said,TEXT): one line that tells which step begins
said = @printf '\033[1m== %s\033[0m\n' "$(1)"

.PHONY: help
help:                   ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ------------------------------------------------------------------------------------------------ set-up

.PHONY: system-packages
system-packages:        ## fuse3, libfuse3-dev, a compiler, Python's headers: installed if missing
	@tools/system-packages $(PYTHON)

$(VENV)/.made: | system-packages
	$(call said,making $(VENV))
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Nothing is compiled here (see setup.py).  Building in .venv needs there what pyproject.toml says of building.
INSTALL = FUSETREE_WITHOUT_CORE=1 $(PIP) install --no-build-isolation --editable

$(VENV)/.installed: pyproject.toml $(VENV)/.made
	$(call said,installing into $(VENV))
	@$(PIP) install "setuptools>=77" "Cython>=3.1"
	@$(INSTALL) .
	@touch $@

$(VENV)/.developer: pyproject.toml $(VENV)/.installed
	$(call said,installing what checks and documents)
	@$(INSTALL) '.[build,test,lint,docs]'
	@touch $@

# Cython and the compiler skip each module whose sources did not change.  The lock is for two makes at once.
$(VENV)/.built: setup.py $(CORE) $(VENV)/.installed
	$(call said,building the core)
	@mkdir -p build
	@flock build/.lock $(PY) setup.py -q build_ext --inplace
	@touch $@

.PHONY: build
build: $(VENV)/.developer $(VENV)/.built ## .venv with the core built and the project installed in place

# ------------------------------------------------------------------------------------------------ to see it

.PHONY: demo
demo: $(VENV)/.built ## a running program mounts its own state, and is looked at from outside
	@$(PY) examples/demo.py

.PHONY: bench
bench: build            ## the figures, against libfuse's own C programs and other bindings
	@$(PY) -m benchmarks

.PHONY: bench-libfuse
bench-libfuse:          ## the figures that take a newer libfuse: requests over rings, and passthrough; takes root
	@tools/test-libfuse rings -- .venv/bin/python -m benchmarks --rows 'rings-*,through-*'

.PHONY: docs
docs: build             ## the documentation, into build/docs
	@$(PY) -m sphinx -n -W --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

# ------------------------------------------------------------------------------------------------ to check it

.PHONY: test
test: build             ## everything that must hold: lint, types, all test rings, every example
	@PY=$(PY) tools/test-all

.PHONY: test-fast
test-fast: build        ## the tests that take no mount and no patience
	@$(PY) -m pytest -q -m "not mount and not slow"

.PHONY: test-stress
test-stress: build      ## coherence for 2 minutes, random use by several processes for 5 on each tree
	@STRESS_SECONDS=$${STRESS_SECONDS:-120} $(PY) -m pytest -q tests/stress

.PHONY: test-dropins
test-dropins: build     ## the drop-ins against the original llfuse and pyfuse3, which are installed for it
	@PY=$(PY) tools/test-dropins

.PHONY: test-python
test-python:            ## all test rings on every Python 3.10+ that this machine has
	@tools/test-python

.PHONY: test-libfuse
test-libfuse:           ## all test rings with newer libfuse, in systems of their own: Debian 13 and unstable
	@tools/test-libfuse

.PHONY: test-bed
test-bed: build         # what test-libfuse runs in each of them; with rings many mounts once more, over rings
	@status=0; $(PY) -m tools.ring --limit 1800 -- $(PY) -m pytest -q || status=$$?; \
	if [[ -n $$FUSETREE_TEST_RINGS ]]; then \
	    FUSETREE_TEST_RINGS=all $(PY) -m tools.ring --limit 1800 -- $(PY) -m pytest -q -m mount tests/mount tests/lowlevel || status=$$?; \
	fi; exit $$status

.PHONY: lint
lint: lint-style lint-types lint-rooms ## ruff, mypy, cython-lint, stubtest, import rules

.PHONY: lint-style
lint-style: build
	@$(PY) -m ruff check --quiet $(CHECKED)
	@$(PY) -m ruff format --check --quiet $(CHECKED) || { $(PY) -m ruff format --diff --quiet $(CHECKED); exit 1; }
	@PATH="$(abspath $(VENV))/bin:$$PATH" cython-lint src/_lowlevel

.PHONY: lint-types
lint-types: build
	@$(PY) -m mypy --no-error-summary $(TYPED)
	@$(PY) -m tools.check_stubs

.PHONY: lint-rooms
lint-rooms: build
	@answer=$$($(VENV)/bin/lint-imports --cache-dir build/import-linter) && tail -n 1 <<<"$$answer" || \
	    { printf '%s\n' "$$answer"; exit 1; }

.PHONY: format
format: build           ## lays the sources out as lint-style wants them
	@$(PY) -m ruff check --quiet --fix $(CHECKED); $(PY) -m ruff format --quiet $(CHECKED)

.PHONY: clean
clean:                  ## removes what was built, and .venv
	@tools/unmount-below build
	@rm -rf --one-file-system build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
	@find src tests examples tools -name __pycache__ -prune -exec rm -rf {} +
	@rm -f src/_lowlevel/*.so

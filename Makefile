# Makes .venv, installs into it what the project needs, and runs the project in it.
#
#   make demo PYTHON=/opt/python3.12/bin/python3

# Candidates for the Python of .venv, best first; one will do.
PYTHON ?= python3 python3.13 python3.12 python3.11

# TensorFlow's messages are about its own build, not about what was asked for.
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A Python that starts, has wheels of TensorFlow, and can make .venv (Debian ships venv
# without ensurepip).
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
INSTALL := .venv/bin/python -m pip install --quiet --editable ".[dev]"

.PHONY: help demo test test-lowest lint bench clean

help:
	@echo "make demo   search for an initializer that trains a deep and narrow network"
	@echo "make test   lint, check types, run all tests and examples"
	@echo "make test-lowest  run all tests with the oldest releases that pyproject.toml allows"
	@echo "make lint   lint and check types"
	@echo "make bench  measure speed against plain Keras and KerasTuner"
	@echo "make clean  remove .venv, caches and builds; results stay"

demo: .venv/.stamp
	@.venv/bin/python -m experiments demo

test: lint
	@# A file of tests stays in one process: what it trains, it trains once.
	@.venv/bin/python -m pytest -q --numprocesses auto --dist loadfile

# What the oldest releases depend on in turn is the newest, and deprecates their ways.
test-lowest: .venv/.stamp
	@.venv/bin/python -m uv venv --quiet --clear --seed --python .venv/bin/python .venv-lowest
	@.venv/bin/python -m uv pip install --quiet --python .venv-lowest/bin/python \
		--resolution lowest-direct --editable ".[dev]"
	@PYTEST_ADDOPTS="-W default::DeprecationWarning -W default::FutureWarning" \
		.venv-lowest/bin/python -m pytest -q --numprocesses auto --dist loadfile

lint: .venv/.stamp
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/mypy

bench: .venv/.stamp
	@.venv/bin/python -m experiments bench

clean:
	rm -rf .venv .venv-lowest build dist *.egg-info .coverage htmlcov
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find keras_inits experiments tests -name __pycache__ -exec rm -rf {} +

.venv/.stamp: pyproject.toml
	@if ! .venv/bin/python -c 'import pip; $(FITS)' 2>/dev/null; then \
		found=; \
		for python in $(PYTHON); do \
			if $$python -c '$(FITS)' 2>/dev/null; then found=$$python; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "make: needs Python 3.11, 3.12 or 3.13 with venv. Tried: $(PYTHON)."; \
			echo "make: Debian has it in python3-venv; make PYTHON=... names another."; \
			exit 1; \
		fi >&2; \
		echo "make: making .venv with $$($$found --version), $$found"; \
		$$found -m venv --clear .venv; \
	fi
	@echo "make: installing into .venv; TensorFlow is large: the first time takes minutes"
	@$(INSTALL) || { \
		echo "make: pip failed; trying once more in 10 seconds" >&2; \
		sleep 10; \
		$(INSTALL); \
	}
	@touch $@

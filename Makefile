# Needs make, pip and Python 3.10, 3.11 or 3.12; everything else goes into .venv and .venvs here.
#
#   PYTHON=/path/to/python   the interpreter of .venv (default: the best that runs)
#   JOBS=N                   processes that tests run in (default: three for two processors, at most 8: they also wait)
#   PYTEST_ARGS, BENCH_ARGS, MATRIX_ARGS, DOCS_ARGS   passed on

.DEFAULT_GOAL := help
.PHONY: help run quick test nemo3 lint docs matrix bridge environment bench library clean

PYTHON ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
MATRIX_ARGS ?=
DOCS_ARGS ?=
JOBS ?= $(shell n=$$(nproc); n=$$((n + n / 2)); echo $$((n < 8 ? n : 8)))
PARALLEL = -n $(JOBS) --dist loadgroup
VENV_PYTHON := .venv/bin/python
LINTED := $(wildcard nemo_partial_hydra hydra_plugins tiny_llama import.py pipeline.py examples tests benchmarks tools docs/conf.py)

# Any Python from 3.10 on can start the tools. Each candidate is tried, since a pyenv shim may exist and not run.
BOOT = $(shell for p in "$(PYTHON)" python3.11 python3.12 python3.13 python3.10 python3 \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[0-3].*/bin/python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null </dev/null && { echo "$$p"; break; }; done)

define boot
	@test -n "$(BOOT)" || { echo "no Python 3.10 or later that runs: install one, or say PYTHON=/path/to/it" >&2; exit 1; }
endef

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run:  ## two Hugging Face checkpoints to NeMo on CPU, every tensor compared
	$(boot)
	@$(BOOT) -m tools.venvs nemo --python "$(PYTHON)"
	$(VENV_PYTHON) -m tiny_llama.demo

# It needs no NeMo: the environment is small. Its last lines say what it leaves out.
quick:  ## the light tests, in one or two minutes: no NeMo, no cluster, no test that starts a process
	$(boot)
	@$(BOOT) -m tools.venvs quick --python "$(PYTHON)"
	.venvs/quick/bin/python -m pytest $(PARALLEL) -m "not nemo and not nemo3 and not bridge and not cluster and not browser" --quick --hypothesis-profile=few -rfE $(PYTEST_ARGS)

test:  ## all tests, in the NeMo environment
	$(boot)
	@$(BOOT) -m tools.venvs nemo --python "$(PYTHON)"
	@echo "not in this run, but in make matrix:"; $(BOOT) -m tools.matrix --list | sed 's/^/  /'
	@echo "nor Megatron-Bridge, but in make bridge"
	$(VENV_PYTHON) -m pytest $(PARALLEL) -m "not nemo3" $(PYTEST_ARGS)

nemo3:  ## beside NeMo 3, which has speech models and no LLM recipes
	$(boot)
	@$(BOOT) -m tools.venvs nemo3 --python "$(PYTHON)"
	.venvs/nemo3/bin/python -m pytest $(PARALLEL) -m nemo3 tests/project/test_nemo3.py $(PYTEST_ARGS)

bridge:  ## the recipes of Megatron-Bridge, exported and compared, in an environment of their own
	$(boot)
	@$(BOOT) -m tools.venvs bridge --python "$(PYTHON)"
	.venvs/bridge/bin/python -m pytest tests/bridge -m bridge $(PYTEST_ARGS)

matrix:  ## the tests without NeMo, under each supported Python and Hydra
	$(boot)
	@$(BOOT) -m tools.matrix --jobs $(JOBS) $(MATRIX_ARGS)

lint:  ## ruff, its formatter, and mypy --strict
	$(boot)
	@$(BOOT) -m tools.venvs lint
	.venvs/lint/bin/ruff check $(LINTED) setup.py
	.venvs/lint/bin/ruff format --check $(LINTED) setup.py
	.venvs/lint/bin/mypy $(LINTED)

docs:  ## the documentation as a site, with pictures that it takes itself: build/docs/html/index.html
	$(boot)
	@$(BOOT) -m tools.venvs docs
	.venvs/docs/bin/python -m tools.docs_site $(DOCS_ARGS)

environment:  ## the NeMo environment of make run, test, bench and library, made beforehand
	$(boot)
	@$(BOOT) -m tools.venvs nemo --python "$(PYTHON)"

bench:  ## the benchmarks, in the NeMo environment
	$(boot)
	@$(BOOT) -m tools.venvs nemo --python "$(PYTHON)"
	$(VENV_PYTHON) -m benchmarks $(BENCH_ARGS)

library:  ## the shipped library of NeMo's recipes, made anew from NeMo
	$(boot)
	@$(BOOT) -m tools.venvs nemo --python "$(PYTHON)"
	$(VENV_PYTHON) -m tools.nemo_library

clean:  ## environments, caches, builds and what the runs wrote
	rm -rf .venv .venvs .ci-logs build dist docs/_pictures *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis multirun outputs
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

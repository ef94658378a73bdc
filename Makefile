# gemot: `make run` does the main job on the embedded model, `make test` runs the tests. Both set up all they need.

VENV   ?= .venv
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
            command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY      = $(VENV)/bin/python
GEMOT   = $(VENV)/bin/gemot
PIP     = $(PY) -m pip install --quiet --disable-pip-version-check --only-binary xllamacpp
WORKERS ?= 2
SEEDS   ?= 1000
KILLS   ?= 100

.PHONY: help run test simulate guard slow check setup dev model eval-embedded eval-agentdojo eval-escapes eval-bestiary mutants bench prices clean
.DEFAULT_GOAL := help

help:  ## show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "gemot needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python"; exit 1; }
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.run: pyproject.toml $(VENV)/.made
	@echo "installing gemot and the engine of its embedded model"
	@$(PIP) -e '.[local]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.made
	@echo "installing gemot with everything that its tests need"
	@$(PIP) -e '.[all,dev]'
	@touch $@ $(VENV)/.run

setup: $(VENV)/.run model  ## install gemot and the embedded model

dev: $(VENV)/.dev  ## install what developers need

model: $(VENV)/.run  ## fetch the embedded model, if it is not there yet
	@$(GEMOT) model install

run: setup  ## the main job: read the reviews in examples/reviews, say which are good, write summary.md
	@rm -rf build/reviews && mkdir -p build && cp -R examples/reviews build/reviews
	$(GEMOT) run "Say whether each review is good or bad" --program label --model embedded --work build/reviews --home build/machine
	@echo && cat build/reviews/summary.md

test: dev model  ## run all the tests
	@$(PY) -m pytest -n $(WORKERS)

simulate: dev  ## search seeded histories for a broken law (SEEDS=2000, FROM=0), kill a real machine 100 times; SEED=x tells one
	@PYTHONPATH=tests $(PY) tests/simulation/simulate.py $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) $(if $(FROM),--from $(FROM)))
ifndef SEED
	@GEMOT_KILLS=$(KILLS) $(PY) -m pytest -s tests/simulation/test_kills.py
endif

slow: dev  ## the long forms of the sampled tests: 20 minutes of work, 200 kills, failing disks and power cuts (about an hour)
	@GEMOT_SOAK_SECONDS=1200 GEMOT_KILLS=200 GEMOT_FAILURES=200 GEMOT_CUTS=300 GEMOT_GOSSIPS=2000 GEMOT_RUNS=100000 GEMOT_KEPT=1000 \
	  $(PY) -m pytest -s tests/simulation/test_soak.py tests/simulation/test_kills.py tests/simulation/test_failing_disk.py \
	  tests/simulation/test_power_cuts.py tests/simulation/test_gossip.py tests/units/test_retention_size.py

guard: dev  ## measure anew what things cost in function calls, and keep the figures (tests/guards/costs.toml)
	@$(PY) tests/guards/keeping.py

check: dev  ## style and types
	@$(VENV)/bin/ruff check src tests evals benchmarks
	@$(VENV)/bin/ruff format --check src tests evals benchmarks
	@$(VENV)/bin/basedpyright

eval-escapes: dev  ## try to get out of a box, with walls and without (ESCAPES="--only network", or --timing)
	@$(PY) -m evals.escapes $(ESCAPES)

eval-bestiary: dev  ## let every misbehaving model loose on a machine (BEASTS="obeys forks", or "--bomb 1000000")
	@$(PY) -m evals.bestiary $(BEASTS)

eval-embedded: dev model  ## measure the embedded model on the goals in evals/embedded
	@$(PY) -m evals.embedded

DOJO = evals/agentdojo/.venv

$(DOJO)/.made: pyproject.toml
	@test -n "$(PYTHON)" || { echo "gemot needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python"; exit 1; }
	@echo "installing AgentDojo, of its requirements what its suites import, and gemot in $(DOJO)"
	@$(PYTHON) -m venv --clear $(DOJO)
	@$(DOJO)/bin/python -m pip install --quiet --disable-pip-version-check -e . \
	  'pydantic[email]==2.14.3' deepdiff==9.1.0 docstring-parser==0.18.0 pyyaml==6.0.3
	@$(DOJO)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps agentdojo==0.1.35
	@touch $@

eval-agentdojo: $(DOJO)/.made  ## replay AgentDojo's attacks and tasks through the kernel (DOJO_ARGS="--suite banking --rename 7")
	@$(DOJO)/bin/python -m evals.agentdojo $(DOJO_ARGS)

mutants: dev  ## change the decision function in every small way, and see that a test notices each
	@PYTHONPATH=tests:tests/syscalls:tests/mutation $(PY) tests/mutation/mutate.py $(MUTANTS)

bench: $(VENV)/.run  ## measure gemot and the floor; and peers: make bench PEERS=all, or PEERS="langgraph autogen"
	@$(PY) -m benchmarks $(PEERS)

prices: dev  ## compile the price tables anew from the package genai-prices
	@$(PY) tests/contracts/price_tables.py

clean:  ## remove what was made here (not the embedded model in your data folder)
	rm -rf $(VENV) $(DOJO) build .pytest_cache .ruff_cache .hypothesis

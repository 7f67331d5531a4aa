# All that is installed goes into .venv, on first use and again when pyproject.toml or constraints.txt change; for
# bench and search into build/peers, because pandas behaves differently where Ray Tune's pyarrow is installed.
#   ARGS=…     more arguments, as in: make launch ARGS="digits_mlp --trials 100"
#   PYTHON=…   the Python to use (3.11 to 3.13), as in: make launch PYTHON=/opt/python3.12/bin/python3

CANDIDATES := $(or $(PYTHON),.venv/bin/python python3.13 python3.12 python3.11 python3)
RUN := .venv/bin/python -m
READY := .venv/.installed
PEER := build/peers
ON_RAY := tests/on_ray
TRAINING := tests/studies tests/training
PEER_READY := $(PEER)/.installed

.DEFAULT_GOAL := help
.PHONY: help launch test lint format bench search scale chaos memory

help:  ## show this list
	@echo 'Targets (make TARGET ARGS="…" passes more arguments on):'
	@sed -n 's/^\([a-z]*\):[^#]*## *\(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

launch: $(READY)  ## tune the shipped study on this machine; ARGS as of "python -m orchestrator launch"
	@$(RUN) orchestrator launch $(ARGS)

# In three processes at once: the tests on Ray mostly wait, those of training mostly compute, and give way, for Ray's
# workers do so themselves. What these and the others say comes last.
test: $(READY)  ## run the tests; ARGS as of pytest
ifdef ARGS
	@$(RUN) pytest $(ARGS)
else
	@said=$$(mktemp -d); \
	nice -n 15 $(RUN) pytest $(TRAINING) >"$$said/training" 2>&1 & training=$$!; \
	nice -n 15 $(RUN) pytest $(patsubst %,--ignore=%,$(ON_RAY) $(TRAINING)) >"$$said/others" 2>&1 & others=$$!; \
	trap 'kill $$training $$others; rm -rf "$$said"' INT TERM; \
	failed=0; $(RUN) pytest $(ON_RAY) || failed=1; wait $$training || failed=1; wait $$others || failed=1; \
	cat "$$said/training" "$$said/others"; rm -rf "$$said"; exit $$failed
endif

lint: $(READY)  ## check style, format and types
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy

format: $(READY)  ## mend what can be mended of style and format
	@$(RUN) ruff check --fix
	@$(RUN) ruff format

bench: $(PEER_READY)  ## measure speed beside the peers, four hours; ARGS as of benchmarks/bench/__main__.py
	@$(PEER)/bin/python -m benchmarks.bench $(ARGS)

search: $(PEER_READY)  ## replay samplers and stoppers, ours and the peers'; ARGS as of benchmarks/search/__main__.py
	@$(PEER)/bin/python -m benchmarks.search $(ARGS)

scale: $(READY)  ## simulate a million trials on ten thousand workers; ARGS as of benchmarks/scale.py
	@.venv/bin/python benchmarks/scale.py $(ARGS)

chaos: $(READY)  ## kill real runs at random moments: is anything lost? ARGS as of benchmarks/chaos/__main__.py
	@$(RUN) benchmarks.chaos $(ARGS)

memory: $(READY)  ## train 200 trials in one worker and watch its memory; ARGS as of benchmarks/memory.py
	@.venv/bin/python benchmarks/memory.py $(ARGS)

# Takes the first supported Python that can make environments; an environment that works is kept. The stamp comes last,
# so that an install that was cut short is begun again.
$(READY): pyproject.toml constraints.txt
	@rm -f $@; found= python=; \
	for candidate in $(CANDIDATES); do \
	    version=$$("$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	    case $$version in 3.11|3.12|3.13) ;; *) continue ;; esac; \
	    if [ "$$candidate" = .venv/bin/python ]; then module=pip; else module=ensurepip; fi; \
	    if "$$candidate" -c "import $$module, venv" 2>/dev/null; then python=$$candidate; break; fi; \
	    [ "$$candidate" = .venv/bin/python ] || found="$${found:-$$candidate needs python$$version-venv}"; \
	done; \
	if [ -z "$$python" ] && [ -n "$$found" ]; then \
	    echo "No environment can be made: $$found (Debian, Ubuntu: apt-get install $${found##* })" >&2; exit 1; \
	elif [ -z "$$python" ]; then \
	    echo "$(if $(PYTHON),$(PYTHON) is not a,There is no) Python 3.11, 3.12 or 3.13: install one" \
	        "(Debian, Ubuntu: apt-get install python3 python3-venv) or name one with PYTHON=…" >&2; exit 1; \
	fi; \
	echo "Installing into .venv with Python $$version (some minutes, once)"; \
	[ "$$python" = .venv/bin/python ] || "$$python" -m venv --clear .venv || exit 1; \
	$(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' && touch $@

$(PEER_READY): $(READY) pyproject.toml constraints.txt
	@rm -f $@; echo "Installing into $(PEER), with Ray Tune, Optuna and KerasTuner (some minutes, once)"
	@$(RUN) venv --clear $(PEER)
	@$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]' && touch $@

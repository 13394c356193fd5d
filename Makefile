# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Needs Python 3.11 or later with venv, and nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUNTIME := $(VENV)/.runtime
TOOLS   := $(VENV)/.tools

RUN     := deploy/.run

.PHONY: demo test lint types imports bench train slow tom clean servers servers-start servers-stop

demo: $(RUNTIME)  ## a simulated night through the pipeline; DEMO_EXIT=1 ends it after the lists
	$(BIN)/correlator demo $(if $(filter 1,$(DEMO_EXIT)),--exit)

test: $(TOOLS)  ## every quick test that this machine can run
	$(BIN)/python -m pytest -n auto --dist loadfile

slow: $(TOOLS)  ## the long suites
	$(BIN)/python -m pytest -m slow --timeout 1200 -n auto --dist loadfile

tom: $(RUNTIME)  ## the plug-in for TOMs, in an environment of its own
	deploy/tom-correlator/test.sh

lint: $(TOOLS) imports  ## style and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

imports: $(TOOLS)
	$(BIN)/lint-imports

types: $(TOOLS)  ## mypy, strict
	$(BIN)/mypy

bench: $(TOOLS)  ## the benchmarks, as ratios
	$(BIN)/python -m benchmarks

train: $(TOOLS)  ## the models of deploy/models again, with the real alerts of CORRELATOR_REAL_DATA
	$(BIN)/python -m training fit $(if $(CORRELATOR_REAL_DATA),--real-data $(CORRELATOR_REAL_DATA))

servers:  ## what Kafka and PostgreSQL need on this machine: docs/operations/servers.md
	deploy/kafka/kafka.sh install
	deploy/postgres/postgres.sh install

servers-start:  ## a broker on 127.0.0.1:9092 and a PostgreSQL on 127.0.0.1:5432, in deploy/.run
	deploy/kafka/kafka.sh status $(RUN)/kafka || deploy/kafka/kafka.sh start $(RUN)/kafka
	deploy/postgres/postgres.sh status $(RUN)/postgres || deploy/postgres/postgres.sh start $(RUN)/postgres

servers-stop:
	deploy/kafka/kafka.sh stop $(RUN)/kafka
	deploy/postgres/postgres.sh stop $(RUN)/postgres

$(RUNTIME): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt pip
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(TOOLS): $(RUNTIME)
	$(PIP) install --constraint constraints.txt --group test --group bench --group training --group lint --group typing
	touch $@

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

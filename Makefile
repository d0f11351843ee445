# Each target creates the environments that it needs: `.venv` for development, all others under `.venvs`.
PYTHON ?= python3
PYTHONS ?= 3.10 3.12 3.13
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := .venvs/installed/bin/python
EXPORTER := exporters/opentelemetry-exporter-posthog
ENVIRONMENT := scripts/environment.sh
PINNED := -c requirements/constraints.txt
DURATIONS ?= 10
# Most tests wait for processes, so there are more workers than cores.
WORKERS ?= 4
PYTEST := -m pytest -n $(WORKERS) --durations=$(DURATIONS)
# Runs several targets at a time, after their environments are created.
TOGETHER := $(MAKE) --no-print-directory --jobs=3 --output-sync=target WORKERS=2
ORDINARY := --ignore=tests/compat
# Releases of mem0ai, except the newest, which is in the suite's environment.
RELEASES := $(patsubst requirements/mem0ai-%.txt,%,$(wildcard requirements/mem0ai-*.txt))
# Tests that mostly start no process.
QUICK := tests/policy tests/pipeline tests/delivery tests/operations tests/cli/test_document.py tests/docs/test_references.py \
  tests/docs/test_documents.py tests/test_public_names.py $(EXPORTER)/tests
.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@awk -F':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' Makefile

##@ While you work (times are for two idle cores, after the first run, which creates the environments)

.PHONY: test-quick
test-quick: $(VENV)/.ready  ## 1 min: tests that start few processes, on the source
	$(BIN)/python $(PYTEST) -m "not slow and not backends and not interpreter" $(QUICK)

.PHONY: test
test: .venvs/installed/.ready .venvs/ddapm/.ready  ## 4 min: the test suite on the built wheels
	$(INSTALLED) $(PYTEST) $(ORDINARY)

.PHONY: check
check: $(VENV)/.ready  ## 1 min: lint, format, types, layers, words, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/words.py
	$(BIN)/python dashboards/generate.py --check
	$(BIN)/mem0-telemetry events --markdown | diff TELEMETRY.md - || { echo "TELEMETRY.md is out of date: make docs"; exit 1; }

.PHONY: docs
docs: $(VENV)/.ready  ## seconds: generate TELEMETRY.md from the registry
	$(BIN)/mem0-telemetry events --markdown > TELEMETRY.md

.PHONY: picture
picture: $(VENV)/.ready .venvs/autotel/.ready  ## 1 min: create the README's picture (needs chromium and npm)
	$(BIN)/python scripts/picture.py

.PHONY: demo
demo: .venvs/demo/.ready  ## 1 min: real Mem0 against fake servers, on and off
	@.venvs/demo/bin/mem0-telemetry demo

.PHONY: clean
clean:  ## seconds: remove the files of the other targets
	rm -rf $(VENV) .venvs .build build dist .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis

##@ What CI also runs (.ci/run; 15 min in all)

.PHONY: test-without-locks
test-without-locks: .venvs/installed/.ready  ## 1 min: delivery as on Windows, without file locks and fork hooks
	DELIVERY_WITHOUT_LOCKS=1 $(INSTALLED) $(PYTEST) tests/delivery

.PHONY: test-backends
test-backends: $(VENV)/.ready .venvs/ddapm/.ready .venvs/phoenix/.ready .venvs/rotel/.ready  ## 1 min: send operations and a fleet's usage to real OTLP receivers, and query them
	$(BIN)/python -m pytest -m backends tests/backends

.PHONY: test-compat
test-compat: $(RELEASES:%=.venvs/mem0ai-%/.ready) .venvs/installed/.ready  ## 2 min: each supported release of mem0ai
	$(TOGETHER) $(RELEASES:%=test-compat-%)
	$(INSTALLED) $(PYTEST) tests/compat

.PHONY: test-exporter-floor
test-exporter-floor:  ## 1 min: the exporter and OTLP with their oldest supported dependencies
	$(EXPORTER)/tests/floor.sh $(PYTHON)
	$(ENVIRONMENT) .venvs/exporter-floor $(PYTHON) --editable . "opentelemetry-exporter-otlp==1.39.*"
	.venvs/exporter-floor/bin/python -m pytest --quiet -n 4 tests/pipeline/test_otlp.py tests/pipeline/test_otlp_transport.py

.PHONY: test-typing
test-typing: $(VENV)/.ready .venvs/pyright/.ready  ## 1 min: the public types under mypy and pyright, for each Python
	for version in 3.10 3.11 3.12 3.13; do \
	  $(BIN)/mypy --python-version $$version src $(EXPORTER)/src tests/typing/api.py && \
	  .venvs/pyright/bin/pyright --pythonpath $(BIN)/python --pythonversion $$version tests/typing/api.py || exit 1; \
	done

.PHONY: test-pythons
test-pythons: $(PYTHONS:%=.venvs/py%/.ready) .venvs/ddapm/.ready  ## 4 min: exits, forks, threads, locks, imports and isolation on the other Pythons (PYTHONS=...)
	$(TOGETHER) $(PYTHONS:%=test-python-%)

.PHONY: mutants-switches
mutants-switches: $(VENV)/.ready .venvs/mutants/.ready  ## 1 min: a test fails for each removed check of the switches
	$(BIN)/python scripts/mutants/run.py --strict decisions switches

.PHONY: dist
dist: dist/.built  ## 1 min: build wheels and sdists of both distributions, check them, use them in empty environments
	$(BIN)/python -m twine check --strict dist/*.whl dist/*.tar.gz
	PYTHON=$(PYTHON) scripts/smoke.sh

##@ What CI leaves out

.PHONY: test-all
test-all: coverage test-slow test-pythons-slow test-pythons-whole mutants  ## hours: everything below

.PHONY: coverage
coverage: .venvs/installed/.ready .venvs/ddapm/.ready  ## 6 min: the test suite with branch coverage, at least 95 %
	$(INSTALLED) $(PYTEST) $(ORDINARY) --cov --cov-report=term:skip-covered

.PHONY: test-slow
test-slow: .venvs/installed/.ready .venvs/ddapm/.ready $(RELEASES:%=.venvs/mem0ai-%/.ready)  ## 6 min: fault tests at their full counts, rare combinations
	$(INSTALLED) $(PYTEST) -m slow
	for release in $(RELEASES); do .venvs/mem0ai-$$release/bin/python $(PYTEST) -m slow tests/e2e/test_switched_off.py || exit 1; done

.PHONY: test-pythons-whole
test-pythons-whole: $(PYTHONS:%=.venvs/py%/.ready) .venvs/ddapm/.ready  ## 20 min: the whole suite on the other Pythons
	for version in $(PYTHONS); do .venvs/py$$version/bin/python $(PYTEST) $(ORDINARY) || exit 1; done

.PHONY: test-pythons-slow
test-pythons-slow: $(PYTHONS:%=.venvs/py%/.ready)  ## 40 min: exits, short processes and forks at their full counts on the other Pythons
	for version in $(PYTHONS); do .venvs/py$$version/bin/python $(PYTEST) -m "slow and interpreter" || exit 1; done

SAMPLE ?= 300
.PHONY: mutants
mutants: $(VENV)/.ready .venvs/mutants/.ready  ## 1 hour: find changes to the code that no test notices (docs/mutation-testing.md)
	$(BIN)/python $(PYTEST) scripts/mutants/wire.py
	$(BIN)/python scripts/mutants/run.py --sample $(SAMPLE)

.PHONY: bench
bench: $(VENV)/.ready  ## 20 min: compare our telemetry with Mem0's own: calls, imports, memory, exits
	$(BIN)/python benchmarks/usage

.PHONY: bench-exporter
bench-exporter: $(VENV)/.ready  ## compare the exporter with PostHog's own client and OTLP/HTTP
	$(BIN)/python benchmarks/exporter

.PHONY: bench-operations
bench-operations: $(VENV)/.ready  ## measure the cost of a span for each operation
	$(BIN)/python benchmarks/operations.py

.PHONY: bench-one-shot
bench-one-shot: $(VENV)/.ready  ## count the short processes that deliver to a distant server before they exit
	$(BIN)/python benchmarks/usage/one_shot.py

# The targets above need the following ones.

$(VENV)/.ready: pyproject.toml $(EXPORTER)/pyproject.toml requirements/constraints.txt requirements/dev.txt
	$(ENVIRONMENT) $(VENV) $(PYTHON) $(PINNED) -e $(EXPORTER) -e ".[otlp,instruments]" -r requirements/dev.txt
	@touch $@

# The package as users install it, without development tools.
.venvs/demo/.ready: pyproject.toml $(EXPORTER)/pyproject.toml requirements/constraints.txt
	@$(ENVIRONMENT) .venvs/demo $(PYTHON) $(PINNED) -e $(EXPORTER) -e ".[otlp,instruments]"
	@touch $@

.venvs/ddapm/.ready .venvs/phoenix/.ready .venvs/rotel/.ready .venvs/mutants/.ready: .venvs/%/.ready: requirements/%.txt
	$(ENVIRONMENT) .venvs/$* $(PYTHON) -r $<
	@touch $@

# An OTLP backend with a web page, and the Node.js that it needs.
.venvs/autotel/.ready:
	npm install --silent --no-audit --no-fund --prefix .venvs/autotel node@24.21.0 autotel-devtools@27.1.0
	@touch $@

.venvs/pyright/.ready: requirements/typing.txt
	$(ENVIRONMENT) .venvs/pyright $(PYTHON) -r $<
	@touch $@

# Wheels and sdists of both distributions, so that tests use what users install.
SOURCES := $(shell find src $(EXPORTER)/src -name '*.py' -o -name '*.md') $(wildcard *.md $(EXPORTER)/*.md)
dist/.built: $(VENV)/.ready $(SOURCES)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist $(EXPORTER)
	$(BIN)/python -m build --no-isolation --outdir dist .
	@touch $@

BUILT := --reinstall-package mem0-telemetry --reinstall-package opentelemetry-exporter-posthog dist/opentelemetry_exporter_posthog-*.whl
.venvs/installed/.ready: requirements/constraints.txt requirements/dev.txt dist/.built
	$(ENVIRONMENT) .venvs/installed $(PYTHON) $(PINNED) -r requirements/dev.txt $(BUILT) "$$(echo dist/mem0_telemetry-*.whl)[otlp,instruments]"
	@touch $@

.PRECIOUS: .venvs/py%/.ready
.venvs/py%/.ready: requirements/constraints.txt requirements/dev.txt dist/.built
	$(ENVIRONMENT) .venvs/py$* $* $(PINNED) -r requirements/dev.txt $(BUILT) "$$(echo dist/mem0_telemetry-*.whl)[otlp,instruments]"
	@touch $@

test-python-%: .venvs/py%/.ready .venvs/ddapm/.ready
	.venvs/py$*/bin/python $(PYTEST) -m "interpreter and not slow and not backends" --ignore=tests/compat

# Tests for every release of mem0ai: drop-in, instrumentor, registry, planted texts; for 2.x, the operations too.
PLANTED := $(addprefix tests/cli/test_planted.py::test_,no_planted_text_leaves every_public_method_is_called)
COMPAT := tests/compat tests/e2e/test_switched_off.py tests/test_telemetry.py $(PLANTED) $(wildcard tests/policy/test_registry*.py tests/policy/test_selection*.py)
COMPAT_2 := $(addprefix tests/operations/test_,operations.py transparency.py robustness.py differential.py concurrency.py processes.py)
.PRECIOUS: .venvs/mem0ai-%/.ready
.venvs/mem0ai-%/.ready: requirements/mem0ai-%.txt dist/.built
	$(ENVIRONMENT) .venvs/mem0ai-$* $(PYTHON) -r $< $(BUILT) dist/mem0_telemetry-*.whl
	@touch $@

test-compat-%: .venvs/mem0ai-%/.ready
	.venvs/mem0ai-$*/bin/python $(PYTEST) $(COMPAT) $(if $(filter 2.%,$*),$(COMPAT_2))

##@ Dashboards for Mem0's maintainers (docs/dashboards.md)

.PHONY: dashboards
dashboards: $(VENV)/.ready  ## seconds: write dashboards/posthog and the page from the tiles and the registry
	$(BIN)/python dashboards/generate.py

.PHONY: test-dashboards
test-dashboards: .venvs/dashboards/.ready  ## 1 min: compare each tile with what real Mem0 did, by PostHog's parser and database
	.venvs/dashboards/bin/python -m pytest --durations=$(DURATIONS) -m dashboards tests/dashboards

.PHONY: dashboards-picture
dashboards-picture: .venvs/dashboards/.ready  ## 1 min: draw the picture of the page from the results of test-dashboards
	mkdir -p .build
	DASHBOARDS_RESULTS=.build/dashboards.json .venvs/dashboards/bin/python -m pytest --quiet -m dashboards tests/dashboards
	.venvs/dashboards/bin/python dashboards/picture.py .build/dashboards.json docs/images

# The packages of requirements/dashboards.txt are not in the suite's environment.
.venvs/dashboards/.ready: pyproject.toml $(EXPORTER)/pyproject.toml requirements/constraints.txt requirements/dashboards.txt
	$(ENVIRONMENT) .venvs/dashboards $(PYTHON) $(PINNED) -e $(EXPORTER) -e ".[instruments]" -r requirements/dashboards.txt
	@touch $@

##@ Adoption by Mem0 (docs/adoption.md)

ADOPTED := tests/adoption tests/compat tests/e2e/test_switched_off.py tests/test_telemetry.py
# Tests of Mem0's own client and constants, which are removed, and of operations, which the application must request.
NOT_ADOPTED := $(addprefix tests/compat/test_drop_in.py::test_,uninstrument native_clients_are_closed) \
  tests/test_telemetry.py::TestNames::test_constants_are_mem0s \
  "tests/compat/test_switched_on.py::test_operations_say_why_they_are_off[adopted]"
.PHONY: test-adoption
test-adoption: .venvs/adoption/.ready  ## 1 min: the newest mem0ai with the drop-in as its own telemetry
	.venvs/adoption/bin/python $(PYTEST) $(ADOPTED) $(NOT_ADOPTED:%=--deselect=%)

# A release of mem0ai does not contain these tests. They send nothing, because nothing listens at that address.
.PHONY: test-adoption-mem0
test-adoption-mem0: .venvs/adoption/.ready  ## seconds: Mem0's own opt-out tests with the drop-in (MEM0=a checkout of Mem0's repository)
	rm -rf .build/mem0 && mkdir -p .build/mem0 && cp -R $(MEM0)/tests .build/mem0
	cd .build/mem0 && HOME=$$PWD MEM0_TELEMETRY=true MEM0_TELEMETRY_OTLP_ENDPOINT=http://127.0.0.1:9 \
	  $(CURDIR)/.venvs/adoption/bin/python -m pytest -p no:randomly \
	  -k "TelemetryDisabled or EnvVar or telemetry_disabled or when_disabled" \
	  tests/test_telemetry.py tests/test_telemetry_aliasing.py tests/test_main.py tests/memory/test_notices.py

.venvs/adoption/.ready: requirements/constraints.txt requirements/dev.txt docs/adoption.md scripts/adopt.py dist/.built
	$(BIN)/python scripts/adopt.py .build/adoption
	$(ENVIRONMENT) .venvs/adoption $(PYTHON) $(PINNED) -r requirements/dev.txt $(BUILT) "$$(echo dist/mem0_telemetry-*.whl)[otlp]" \
	  --reinstall-package mem0ai .build/adoption/mem0ai
	@touch $@

##@ Fleets (docs/deployment.md)

.PHONY: bench-volume
bench-volume: $(VENV)/.ready  ## 3 min: measure events, requests and bytes of one process at steady rates of calls
	$(BIN)/python benchmarks/usage/volume.py

# Each target does its own set-up: `.venv` is made on first use, other environments under `.venvs`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXPORTER := exporters/opentelemetry-exporter-posthog
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
# Most tests wait for processes: more workers than cores.
PYTEST_SUITE := -m pytest -n 3 -m "not slow and not backends"
.DEFAULT_GOAL := help

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-20s %s\n", $$1, $$2}'

$(VENV)/.ready: pyproject.toml $(EXPORTER)/pyproject.toml constraints.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e $(EXPORTER) -e ".[otlp,instruments]" -r requirements-dev.txt
	@touch $@

.venvs/ddapm/.ready .venvs/phoenix/.ready .venvs/mutants/.ready: .venvs/%/.ready: requirements-%.txt
	$(PYTHON) -m venv .venvs/$*
	.venvs/$*/bin/python $(PIP_INSTALL) -r $<
	@touch $@

.PHONY: check
check: $(VENV)/.ready  ## Lint, format, types, layers, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mem0-telemetry events --markdown | diff TELEMETRY.md - || { echo "TELEMETRY.md is out of date: make docs"; exit 1; }

.PHONY: docs
docs: $(VENV)/.ready  ## Regenerate what is derived from the registry
	$(BIN)/mem0-telemetry events --markdown > TELEMETRY.md

# As users get it: the built wheels, installed. The environment is kept; only the wheels are new each time.
.venvs/installed/.made: constraints.txt requirements-dev.txt pyproject.toml $(EXPORTER)/pyproject.toml | dist/.built
	$(PYTHON) -m venv .venvs/installed
	.venvs/installed/bin/python $(PIP_INSTALL) -c constraints.txt -r requirements-dev.txt \
	  dist/opentelemetry_exporter_posthog-*.whl "$$(echo dist/mem0_telemetry-*.whl)[otlp,instruments]"
	@touch $@

.venvs/installed/.ready: .venvs/installed/.made dist/.built
	.venvs/installed/bin/python $(PIP_INSTALL) --no-deps --force-reinstall dist/*.whl
	@touch $@

.PHONY: test
# The delivery's once more as on Windows: without locks and fork hooks.
test: .venvs/installed/.ready .venvs/ddapm/.ready  ## The whole test suite on the built wheels, with branch coverage
	.venvs/installed/bin/python $(PYTEST_SUITE) --cov --cov-report=term:skip-covered
	DELIVERY_WITHOUT_LOCKS=1 .venvs/installed/bin/python $(PYTEST_SUITE) tests/delivery

.PHONY: test-slow
test-slow: $(VENV)/.ready .venvs/ddapm/.ready  ## The long fault tests
	$(BIN)/python -m pytest -m slow

.PHONY: dist
dist: dist/.built  ## Wheels and sdists of both distributions, checked, and used in empty environments
	$(BIN)/python -m twine check --strict dist/*.whl dist/*.tar.gz
	PYTHON=$(PYTHON) scripts/smoke.sh

.PHONY: test-backends
test-backends: $(VENV)/.ready .venvs/ddapm/.ready .venvs/phoenix/.ready  ## Mem0's operations, queried back from real receivers
	$(BIN)/python -m pytest -m backends tests/backends

.PHONY: test-exporter-floor
test-exporter-floor:  ## The exporter's tests with the oldest releases that it supports, in an environment of their own
	bash $(EXPORTER)/tests/floor.sh

# Wheels and sdists of both distributions; what uses them is tested as users get it.
SOURCES := $(shell find src $(EXPORTER)/src -name '*.py') $(wildcard *.md $(EXPORTER)/*.md)
dist/.built: $(VENV)/.ready $(SOURCES)
	rm -rf dist
	$(BIN)/python -m build --outdir dist $(EXPORTER)
	$(BIN)/python -m build --outdir dist .
	@touch $@

# What holds for every release: the drop-in, the instrumentor, what may be sent, planted texts; for 2.x, the operations.
COMPAT := tests/compat tests/test_telemetry.py tests/cli/test_planted.py $(wildcard tests/policy/test_registry*.py tests/policy/test_selection*.py)
COMPAT_2 := $(addprefix tests/operations/test_,operations.py transparency.py robustness.py differential.py concurrency.py processes.py)
.PRECIOUS: .venvs/mem0ai-%/.ready
RELEASES := $(patsubst requirements-compat-%.txt,%,$(wildcard requirements-compat-*.txt))
.venvs/mem0ai-%/.ready: requirements-compat-%.txt dist/.built
	$(PYTHON) -m venv .venvs/mem0ai-$*
	.venvs/mem0ai-$*/bin/python $(PIP_INSTALL) -r $<
	.venvs/mem0ai-$*/bin/python $(PIP_INSTALL) --no-deps --force-reinstall dist/*.whl
	.venvs/mem0ai-$*/bin/python -m pip check
	@touch $@

.PHONY: test-compat
test-compat: $(RELEASES:%=test-compat-%)  ## The drop-in with each supported release of mem0ai, in environments of their own

test-compat-%: .venvs/mem0ai-%/.ready
	.venvs/mem0ai-$*/bin/python -m pytest -n 3 $(COMPAT) $(if $(filter 2.%,$*),$(COMPAT_2))

.venvs/pyright/.ready: requirements-typing.txt
	$(PYTHON) -m venv .venvs/pyright
	.venvs/pyright/bin/python $(PIP_INSTALL) -r $<
	@touch $@

SAMPLE ?= 300
.PHONY: mutants
mutants: $(VENV)/.ready .venvs/mutants/.ready  ## Changes to the code that the tests do not notice (docs/mutation-testing.md)
	$(BIN)/python scripts/mutants/run.py --sample $(SAMPLE)

.PHONY: test-typing
test-typing: $(VENV)/.ready .venvs/pyright/.ready  ## What users' type checkers see, on each Python
	for version in 3.10 3.11 3.12 3.13 3.14; do \
	  $(BIN)/mypy --python-version $$version src $(EXPORTER)/src tests/typing/api.py && \
	  .venvs/pyright/bin/pyright --pythonpath $(BIN)/python --pythonversion $$version tests/typing/api.py || exit 1; \
	done

.PHONY: test-pythons
test-pythons: dist/.built .venvs/ddapm/.ready  ## The ordinary suite on each Python that this machine has (PYTHONS=...)
	scripts/test_pythons.sh $(PYTHONS)

.PHONY: test-pythons-slow
test-pythons-slow: dist/.built .venvs/ddapm/.ready  ## Exits, one-shot processes and forks at full count, on each Python
	scripts/test_pythons.sh --slow $(PYTHONS)

.PHONY: demo
demo: $(VENV)/.ready  ## Real Mem0, PostHog and OTLP stand-ins, and off means off
	$(BIN)/mem0-telemetry demo

.PHONY: clean
clean:  ## Remove what the other targets made
	rm -rf $(VENV) .venvs build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: bench
bench: $(VENV)/.ready  ## Our telemetry beside Mem0's own: calls, imports, memory, exits (about 20 minutes)
	$(BIN)/python benchmarks/usage

.PHONY: bench-exporter
bench-exporter: $(VENV)/.ready  ## The exporter beside PostHog's own client and OTLP/HTTP
	$(BIN)/python benchmarks/exporter

.PHONY: bench-operations
bench-operations: $(VENV)/.ready  ## What a span for each operation costs
	$(BIN)/python benchmarks/operations.py

.PHONY: bench-one-shot
bench-one-shot: $(VENV)/.ready  ## Short processes at a distance: how many deliver in their own lifetime
	$(BIN)/python benchmarks/usage/one_shot.py

.PHONY: mutants-switches
mutants-switches: $(VENV)/.ready .venvs/mutants/.ready  ## Each check between a call and the queue taken out, one at a time: a test notices
	$(BIN)/python scripts/mutants/run.py --strict decisions switches

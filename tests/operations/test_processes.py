"""An instrumented process imports the right modules at the right time. Each test runs a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from support.processes import run_program

pytestmark = pytest.mark.interpreter

MEM0AI = version("mem0ai")
NOTHING_TO_RECORD_INTO = (
    f"instrumenting mem0ai {MEM0AI}, recording nothing: the application has no OpenTelemetry provider"
)
HERE = Path(__file__).parent
SETUP = """
    import json, pathlib, sys
    from mem0_telemetry import operations

    def new_memory():
        import mem0
        from mem0_telemetry.cli.harness import fake_models
        return mem0.Memory.from_config(fake_models.configuration(pathlib.Path({directory!r})))

    def close(memory):
        memory.vector_store.client.close()
        memory.close()
"""


def run(code: str, directory: Path, **environment: str) -> Any:
    """Run code in a separate process without Mem0's own telemetry. Return the last line that it prints, as JSON."""
    script = (
        "from support import loopback_only\n"
        + textwrap.dedent(SETUP.format(directory=str(directory)))
        + textwrap.dedent(code)
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_"))}
    path = os.pathsep.join([str(HERE), str(HERE.parents[1] / "src"), *filter(None, sys.path)])
    environ = {
        **clean,
        "PYTHONPATH": path,
        "MEM0_DIR": str(directory),
        "MEM0_TELEMETRY": "False",
        **environment,
    }
    result = run_program([sys.executable, "-c", script], environ, cwd=directory, uses_mem0=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_no_opentelemetry_is_imported(tmp_path: Path) -> None:
    """A process that does not use OpenTelemetry works when instrumented, and never imports OpenTelemetry."""
    loaded = run(
        """
        operations.install()
        memory = new_memory()
        memory.add("I like tea.", user_id="alice")
        assert memory.search("tea", filters={"user_id": "alice"})["results"]
        close(memory)
        print(json.dumps([operations.state(), [name for name in sys.modules if "opentelemetry" in name]]))
        """,
        tmp_path,
    )
    assert loaded == [[True, NOTHING_TO_RECORD_INTO], []]


def test_installing_imports_no_library() -> None:
    """Before Mem0 is imported, `install` imports only our modules and the standard library."""
    # Disable coverage here, because it imports modules itself.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    result = subprocess.run(
        [sys.executable, "-Ic", _LIGHT], env=clean, capture_output=True, text=True, check=True
    )
    roots = {name.partition(".")[0] for name in json.loads(result.stdout)}
    assert roots - {"mem0_telemetry"} <= sys.stdlib_module_names


@pytest.mark.parametrize("first", ["mem0", "operations"])
def test_import_order_does_not_matter(tmp_path: Path, first: str) -> None:
    """Operations are recorded whether Mem0 is imported before `install` or after."""
    imports = {"mem0": "import mem0; operations.install()", "operations": "operations.install(); import mem0"}
    spans = run(
        f"""
        {imports[first]}
        {_GLOBAL_PROVIDER}
        memory = new_memory()
        memory.get_all(filters={{"user_id": "alice"}})
        close(memory)
        print(json.dumps([span.name for span in exporter.get_finished_spans() if span.parent is None]))
        """,
        tmp_path,
    )
    assert spans == ["list_memory"]


def test_a_provider_that_is_set_later_counts(tmp_path: Path) -> None:
    """Calls before the application sets its global provider pass through; later calls are recorded."""
    counts = run(
        f"""
        operations.install()
        memory = new_memory()
        everyone = {{"user_id": "alice"}}
        memory.get_all(filters=everyone)
        from opentelemetry import metrics, trace
        memory.get_all(filters=everyone)
        {_GLOBAL_PROVIDER}
        before = len(exporter.get_finished_spans())
        memory.get_all(filters=everyone)
        close(memory)
        roots = [span for span in exporter.get_finished_spans() if span.parent is None]
        print(json.dumps([before, len(roots)]))
        """,
        tmp_path,
    )
    assert counts == [0, 1]


def test_a_provider_named_in_the_environment_counts(tmp_path: Path) -> None:
    """The first call respects OTEL_PYTHON_TRACER_PROVIDER and OTEL_PYTHON_METER_PROVIDER."""
    kinds = run(
        """
        from opentelemetry import metrics, trace
        operations.install()
        memory = new_memory()
        memory.get_all(filters={"user_id": "alice"})
        close(memory)
        providers = trace._TRACER_PROVIDER, metrics._internal._METER_PROVIDER
        print(json.dumps([type(provider).__module__ for provider in providers]))
        """,
        tmp_path,
        OTEL_PYTHON_TRACER_PROVIDER="sdk_tracer_provider",
        OTEL_PYTHON_METER_PROVIDER="sdk_meter_provider",
    )
    assert kinds == ["opentelemetry.sdk.trace", "opentelemetry.sdk.metrics._internal"]


def test_a_provider_that_cannot_be_loaded(tmp_path: Path) -> None:
    """If OTEL_PYTHON_TRACER_PROVIDER names an unknown provider, this is logged once, and metrics are still recorded."""
    answers = run(
        """
        import logging
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        logged = []
        logging.getLogger("opentelemetry").addFilter(logged.append)
        logging.getLogger("opentelemetry.util._providers").addFilter(logged.append)
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader]))
        operations.install()
        memory = new_memory()
        found = [len(memory.get_all(filters={"user_id": "alice"})["results"]) for _ in range(2)]
        close(memory)
        (resource,) = reader.get_metrics_data().resource_metrics
        points = [point.count for metric in resource.scope_metrics[0].metrics for point in metric.data.data_points]
        print(json.dumps([found, operations.state()[0], points, len(logged)]))
        """,
        tmp_path,
        OTEL_PYTHON_TRACER_PROVIDER="there_is_none",
    )
    assert answers == [[0, 0], True, [2], 1]


@pytest.mark.parametrize("first", ["import opentelemetry.trace", "pass"])
def test_the_first_operation_imports_nothing(tmp_path: Path, first: str) -> None:
    """The first operation imports nothing of ours, so a fork in another thread cannot interrupt such an import."""
    imported = run(
        f"""
        {first}
        operations.install()
        memory = new_memory()
        {_GLOBAL_PROVIDER}
        before = set(sys.modules)
        memory.get_all(filters={{"user_id": "alice"}})
        assert exporter.get_finished_spans()
        print(json.dumps([name for name in sys.modules if name not in before and "mem0_telemetry" in name]))
        close(memory)
        """,
        tmp_path,
    )
    assert imported == []


@pytest.mark.parametrize("release", ["1.0.11", "3.0.0", None])
def test_other_releases_of_mem0_stay_as_they_are(tmp_path: Path, release: str | None) -> None:
    """If mem0ai is not 2.x, nothing is replaced, and the state gives the reason."""
    package = tmp_path / "elsewhere" / "mem0"
    for part in (package, package / "memory", package / "client"):
        part.mkdir(parents=True)
        (part / "__init__.py").touch()
    (package / "memory" / "main.py").write_text("class Memory:\n    def add(self): return 'added'\n")
    (package / "client" / "main.py").write_text("class MemoryClient:\n    pass\n")
    if release:
        (package / "__init__.py").write_text(f"__version__ = {release!r}\n")
    answers = run(
        f"""
        sys.path.insert(0, {str(package.parent)!r})
        operations.install()
        waiting = operations.state()
        import mem0.memory.main
        print(json.dumps([waiting, operations.state(), hasattr(mem0.memory.main.Memory.add, "__wrapped__")]))
        """,
        tmp_path,
    )
    assert answers == [
        [False, "waiting for mem0 to be imported"],
        [False, f"operations need mem0ai 2.x, this is {release or 'of an unknown release'}"],
        False,
    ]


def test_state_before_and_after(tmp_path: Path) -> None:
    """The state follows `install` and `remove`."""
    states = run(
        """
        states = [operations.state()]
        import mem0
        operations.install()
        states.append(operations.state())
        operations.remove()
        states.append(operations.state())
        print(json.dumps(states))
        """,
        tmp_path,
    )
    off = [False, "operations are not instrumented"]
    assert states == [off, [True, NOTHING_TO_RECORD_INTO], off]


_LIGHT = f"""
import sys
before = set(sys.modules)
sys.path.insert(0, {str(HERE.parents[1] / "src")!r})
from mem0_telemetry import operations
operations.install()
after = set(sys.modules)
import json
print(json.dumps(sorted(after - before)))
"""

_GLOBAL_PROVIDER = (
    "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider; "
    "from opentelemetry.sdk.trace.export import SimpleSpanProcessor; "
    "from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter; "
    "exporter = InMemorySpanExporter(); provider = TracerProvider(); "
    "provider.add_span_processor(SimpleSpanProcessor(exporter)); trace.set_tracer_provider(provider)"
)

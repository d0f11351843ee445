"""What instrumenting Mem0's operations adds to a call, in CPU time of its thread. Prints a Markdown table.

Usage: python benchmarks/operations.py [--openlit PYTHON]

Each case has a process of its own, in which the instrumented class and an untouched copy of it take turns in
short runs; the least of each is compared, so that a busy machine does not show. `--openlit` names the
interpreter of an environment with mem0ai and openlit, whose instrumentation of Mem0 is measured likewise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CASES = {
    "OpenTelemetry not imported": "operations.install()",
    "API without SDK": "from opentelemetry import metrics, trace; operations.install()",
    "SDK, sampled out": "sdk(ALWAYS_OFF); operations.install()",
    "SDK, recorded": "sdk(ALWAYS_ON); operations.install()",
    "SDK, a span and a measurement by hand": "sdk(ALWAYS_ON); by_hand()",
}
OPENLIT = "sdk(ALWAYS_ON); from openlit.instrumentation.mem0 import Mem0Instrumentor; openlit_on()"

PROLOGUE = """
import json, pathlib, statistics, sys, time
from timeit import repeat
import mem0
from mem0_telemetry.cli.demo import standins

def sdk(sampler_name):
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider, sampling
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Discard(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=getattr(sampling, sampler_name))
    provider.add_span_processor(BatchSpanProcessor(Discard()))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider(metric_readers=[InMemoryMetricReader()]))

def by_hand():
    import functools
    from opentelemetry import metrics, trace
    tracer = trace.get_tracer("by hand")
    histogram = metrics.get_meter("by hand").create_histogram("duration")

    def wrapped(original):
        @functools.wraps(original)
        def call(*args, **kwargs):
            began = time.perf_counter()
            with tracer.start_as_current_span("call", attributes={{"a": "1", "b": "2", "c": "3"}}):
                try:
                    return original(*args, **kwargs)
                finally:
                    histogram.record(time.perf_counter() - began, {{"a": "1"}})
        return call

    for name in ("get", "search", "add"):
        setattr(mem0.Memory, name, wrapped(vars(mem0.Memory)[name]))

def openlit_on():
    from openlit import OpenlitConfig
    OpenlitConfig.reset_to_defaults()
    Mem0Instrumentor().instrument(
        environment="", application_name="benchmark", pricing_info={{}}, capture_message_content=False
    )

ALWAYS_ON, ALWAYS_OFF = "ALWAYS_ON", "ALWAYS_OFF"
mem0.Memory.get = lambda self, memory_id: None  # a method that takes no time, to see the wrapper's own
own = {{name: value for name, value in vars(mem0.Memory).items() if name not in ("__dict__", "__weakref__")}}
Untouched = type("Untouched", (mem0.Memory,), own)
"""

MEASURE = """
from qdrant_client import QdrantClient

def memory(cls):
    configuration = standins.configuration(pathlib.Path({directory!r}))
    configuration["history_db_path"] = ":memory:"  # a disk says nothing about instrumentation
    where = configuration["vector_store"]["config"]
    del where["path"]
    where["client"] = QdrantClient(":memory:")
    memory = cls.from_config(configuration)
    memory.add("I like green tea.", user_id="alice", infer=False)
    return memory

texts, everyone = iter(range(10**9)), {{"user_id": "alice"}}
calls = {{
    "get": (lambda m: m.get("m"), 100),
    "search": (lambda m: m.search("tea", filters=everyone), 5),
    "add": (lambda m: m.add(f"Number {{next(texts)}}.", user_id=str(next(texts))), 2),
}}
memories = [memory(mem0.Memory), memory(Untouched)]
added = {{}}
for name, (call, number) in calls.items():
    least = [1e9, 1e9]
    for _ in range(200):
        for which, each in enumerate(memories):
            took = repeat(lambda: call(each), number=number, repeat=2, timer=time.thread_time)
            least[which] = min(least[which], min(took) / number * 1e6)
    added[name] = [least[0] - least[1], least[1]]
print(json.dumps(added))
"""


def measure(setup: str, python: str) -> dict[str, list[float]]:
    """Return microseconds added to each call, and what it takes untouched, in a fresh process."""
    ours = "" if "openlit" in setup else "from mem0_telemetry import operations\n"
    with tempfile.TemporaryDirectory() as directory:
        prologue = PROLOGUE.format()
        own = {"PYTHONPATH": str(ROOT / "src"), "MEM0_DIR": directory, "MEM0_TELEMETRY": "False"}
        done = subprocess.run(
            [python, "-c", prologue + ours + setup + MEASURE.format(directory=directory)],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--openlit", metavar="PYTHON")
    arguments = parser.parse_args()
    cases = {name: (setup, sys.executable) for name, setup in CASES.items()}
    if arguments.openlit:
        cases["OpenLIT, recorded"] = (OPENLIT, arguments.openlit)

    print("| case | an empty method | `search` | `add` with inference |")
    print("|---|---|---|---|")
    for name, case in cases.items():
        added = measure(*case)
        cells = (f"+{added[call][0]:.1f} µs" for call in ("get", "search", "add"))
        print("|", " | ".join((name, *cells)), "|", flush=True)
    print(f"\nUntouched: search {added['search'][1]:.0f} µs, add {added['add'][1]:.0f} µs.")


if __name__ == "__main__":
    main()

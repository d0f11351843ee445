"""Measure what instrumenting Mem0's operations adds to a call, in CPU time of its thread. Print Markdown.

Usage: python benchmarks/operations.py [--openlit PYTHON]

Each case runs in a separate process, where memories take turns in short runs: an instrumented `Memory`, a bare
one and, if there is an SDK, one with handwritten code for the same spans and measurements. The result of a case
is the median of the differences between consecutive runs, so load of the machine matters little. `--openlit` is
the interpreter of an environment with mem0ai and openlit, whose instrumentation of Mem0 is measured in the same
way.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import operations_by_hand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
SAMPLED_OUT, RECORDED, OPENLIT = "SDK, sampled out", "SDK, recorded", "OpenLIT, recorded"
CASES = ("OpenTelemetry not imported", "API without SDK", SAMPLED_OUT, RECORDED)
CALLS = {"get": "an empty method", "search": "`search`", "add": "`add` with inference"}
ROUNDS = 200

last_exported: list[Any] = []


def set_up_sdk(case: str) -> None:
    """Set global providers that keep only the last exported batch of spans, and sample all spans or none."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider, sampling
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    from opentelemetry import metrics, trace

    class Last(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            last_exported[:] = spans
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=sampling.ALWAYS_OFF if case == SAMPLED_OUT else sampling.ALWAYS_ON)
    provider.add_span_processor(BatchSpanProcessor(Last()))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider(metric_readers=[InMemoryMetricReader()]))


def instrument(case: str) -> None:
    """Instrument Mem0 as the case requires."""
    if case == OPENLIT:
        from openlit import OpenlitConfig  # type: ignore[import-not-found]
        from openlit.instrumentation.mem0 import Mem0Instrumentor  # type: ignore[import-not-found]

        OpenlitConfig.reset_to_defaults()
        Mem0Instrumentor().instrument(
            environment="", application_name="benchmark", pricing_info={}, capture_message_content=False
        )
        return
    from mem0_telemetry import operations

    operations.install()


def copy_of(cls: type) -> type:
    """Return a subclass with its own copies of all methods, which instrumentation of `cls` does not reach."""
    skipped = ("__dict__", "__weakref__")
    own = {name: value for base in reversed(cls.__mro__[:-1]) for name, value in vars(base).items()}
    return type(cls.__name__, (cls,), {name: value for name, value in own.items() if name not in skipped})


def new_memory(cls: type[Any], *, copies: bool) -> Any:
    """Return a `Memory` that stores in memory; with `copies`, its components' classes are copies too."""
    from qdrant_client import QdrantClient

    from mem0_telemetry.cli.harness import fake_models

    configuration = fake_models.configuration(Path(os.environ["MEM0_DIR"]))
    configuration["history_db_path"] = ":memory:"  # A disk would add noise.
    where = configuration["vector_store"]["config"]
    del where["path"]
    where["client"] = QdrantClient(":memory:")
    memory = cls.from_config(configuration)
    for name in ("embedding_model", "llm", "vector_store", "db") if copies else ():
        component = getattr(memory, name)
        component.__class__ = copy_of(type(component))
    memory.add("I like green tea.", user_id="alice", infer=False)
    return memory


def exported(call: Callable[[], object]) -> list[Any]:
    """Return the names and attributes of the spans that a call exports."""
    from opentelemetry.sdk.trace import TracerProvider

    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.force_flush()
    last_exported.clear()
    call()
    provider.force_flush()
    return sorted((span.name, sorted((span.attributes or {}).items())) for span in last_exported)


def empty(self: Any, memory_id: str) -> None:
    """Do nothing, so that only the wrapper's time is measured."""


def measure(case: str) -> dict[str, dict[str, float]]:
    """Return the microseconds that each call takes without recording, and that each way of recording adds."""
    import mem0

    if case == "API without SDK":
        from opentelemetry import metrics, trace  # noqa: F401
    elif case != "OpenTelemetry not imported":
        set_up_sdk(case)
    mem0.Memory.get = empty
    memories = {"bare": new_memory(copy_of(mem0.Memory), copies=True)}
    if case in {SAMPLED_OUT, RECORDED}:
        memories["by hand"] = new_memory(copy_of(mem0.Memory), copies=True)
        operations_by_hand.write(memories["by hand"])
    memories["instrumented"] = new_memory(mem0.Memory, copies=False)
    instrument(case)

    gc.collect()
    gc.freeze()  # A collection during one run would take longer than all its calls.
    texts = iter(range(10**9))
    calls: dict[str, tuple[Callable[[Any], Any], int]] = {
        "get": (lambda memory: memory.get("m"), 100),
        "search": (lambda memory: memory.search("tea", filters={"user_id": "alice"}), 5),
        "add": (lambda memory: memory.add(f"Number {next(texts)}.", user_id="bob"), 2),
    }
    if case == RECORDED:
        for call, _ in calls.values():
            by_hand, ours = (
                exported(functools.partial(call, memories[each])) for each in ("by hand", "instrumented")
            )
            assert by_hand == ours != [], f"not the same spans:\n{by_hand}\n{ours}"
    return {name: dict(one_call(memories, name, *call)) for name, call in calls.items()}


def one_call(
    memories: dict[str, Any], call_name: str, call: Callable[[Any], Any], number: int
) -> Iterator[tuple[str, float]]:
    """Yield the median time of a call on the bare memory, and the median of the time that each other memory adds."""
    took: dict[str, list[float]] = {name: [] for name in memories}
    for _ in range(ROUNDS):
        for name, memory in memories.items():
            began = time.thread_time()
            for _ in range(number):
                call(memory)
            took[name].append((time.thread_time() - began) / number * 1e6)
            if call_name == "add":
                memory.vector_store.reset()  # Otherwise each call takes longer than the last.
    yield "bare", median(took["bare"])
    for name in took.keys() - {"bare"}:
        yield name, median(mine - bare for mine, bare in zip(took[name], took["bare"], strict=True))


def in_a_process(case: str, python: str) -> dict[str, dict[str, float]]:
    """Measure a case in a fresh process."""
    with tempfile.TemporaryDirectory() as directory:
        own = {"PYTHONPATH": str(ROOT / "src"), "MEM0_DIR": directory, "MEM0_TELEMETRY": "False"}
        done = subprocess.run(
            [python, __file__, "--case", case],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure every case and print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--openlit", metavar="PYTHON")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(arguments.case)))
        return

    print("| case |", " | ".join(CALLS.values()), "|")
    print("|---|---|---|---|")
    found: dict[str, dict[str, dict[str, float]]] = {}
    for case in (*CASES, OPENLIT) if arguments.openlit else CASES:
        found[case] = in_a_process(case, arguments.openlit if case == OPENLIT else sys.executable)
        row(case, found[case], "instrumented")
    for case in (SAMPLED_OUT, RECORDED):
        row(f"{case}: the same by hand", found[case], "by hand")
    for call in ("search", "add"):
        off, on = found[SAMPLED_OUT][call], found[RECORDED][call]
        print(
            f"\n`{call}`, {off['bare']:.0f} µs bare. Sampled out: {off['instrumented'] / off['bare']:+.1%}",
            end="",
        )
        print(f" (by hand {off['by hand'] / off['bare']:+.1%}). Recorded:", end=" ")
        print(f"{on['instrumented'] / on['by hand']:.2f} of what the same adds by hand.")


def row(name: str, found: dict[str, dict[str, float]], which: str) -> None:
    """Print a row of the table."""
    print("|", " | ".join((name, *(f"{found[call][which]:+.1f} µs" for call in CALLS))), "|", flush=True)


if __name__ == "__main__":
    main()

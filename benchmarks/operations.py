"""Measure what instrumenting Mem0's operations adds to a call, in CPU time of its thread. Print Markdown.

Usage: python benchmarks/operations.py [--openlit PYTHON]

Each case has a process of its own. In it, an instrumented `Memory`, an untouched one and, where spans are
recorded, one whose same spans and measurements are written by hand take turns in short runs. What a case
adds is the median of the differences between runs that follow each other, so a loaded machine matters
little. `--openlit` names the interpreter of an environment with mem0ai and openlit, whose instrumentation
of Mem0 is measured in the same way.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
SAMPLED_OUT, RECORDED, OPENLIT = "SDK, sampled out", "SDK, recorded", "OpenLIT, recorded"
CASES = ("OpenTelemetry not imported", "API without SDK", SAMPLED_OUT, RECORDED)
CALLS = {"get": "an empty method", "search": "`search`", "add": "`add` with inference"}
ROUNDS = 200

last_exported: list[Any] = []


def set_up_sdk(case: str) -> None:
    """Set global providers that keep only the spans exported last, and whose sampler keeps all or none."""
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
    """Instrument Mem0 as the case has it."""
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
    """Return a subclass with methods of its own, which nobody else instruments."""
    skipped = ("__dict__", "__weakref__")
    own = {name: value for base in reversed(cls.__mro__[:-1]) for name, value in vars(base).items()}
    return type(cls.__name__, (cls,), {name: value for name, value in own.items() if name not in skipped})


def new_memory(cls: type[Any], *, copies: bool) -> Any:
    """Return a `Memory` that stores in this process; with copies of its components' classes on request."""
    from qdrant_client import QdrantClient

    from mem0_telemetry.cli.demo import standins

    configuration = standins.configuration(Path(os.environ["MEM0_DIR"]))
    configuration["history_db_path"] = ":memory:"  # a disk says nothing about instrumentation
    where = configuration["vector_store"]["config"]
    del where["path"]
    where["client"] = QdrantClient(":memory:")
    memory = cls.from_config(configuration)
    for name in ("embedding_model", "llm", "vector_store", "db") if copies else ():
        component = getattr(memory, name)
        component.__class__ = copy_of(type(component))
    memory.add("I like green tea.", user_id="alice", infer=False)
    return memory


def embedding(self: Any, text: str, action: str) -> dict[str, Any]:
    """Return the attributes of an embedder's span."""
    del text
    return {
        "gen_ai.provider.name": "standin",
        "gen_ai.request.model": self.config.model,
        "mem0.embed.text.count": 1,
        "mem0.embed.action": action,
    }


def embed_batch(self: Any, texts: list[str], action: str) -> Any:
    """Embed a batch of one text."""
    (text,) = texts
    return [self.embed(text, action)]


def generation(self: Any, *_: Any, **__: Any) -> dict[str, Any]:
    """Return the attributes of a language model's span."""
    return {"gen_ai.provider.name": "standin", "gen_ai.request.model": self.config.model}


def query(operation: str) -> Callable[..., dict[str, Any]]:
    """Return the function that answers the attributes of a vector store's span."""

    def given(self: Any, *_: Any, **__: Any) -> dict[str, Any]:
        return {
            "db.system.name": "qdrant",
            "db.operation.name": operation,
            "db.collection.name": self.collection_name,
        }

    return given


def statement(operation: str) -> Callable[..., dict[str, Any]]:
    """Return the function that answers the attributes of the history's span."""
    return lambda *_, **__: {"db.system.name": "sqlite", "db.operation.name": operation}


def write_by_hand(memory: Any) -> None:
    """Wrap the methods of one memory and of its components as somebody would by hand."""
    from opentelemetry import metrics, trace

    tracer = trace.get_tracer("by hand")
    histogram = metrics.get_meter("by hand").create_histogram("gen_ai.client.operation.duration", unit="s")

    def operation(
        method: str, name: str, count: Callable[[Any], int], given: Callable[..., dict[str, str]]
    ) -> None:
        original = getattr(type(memory), method)

        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            attributes = {
                "gen_ai.operation.name": name,
                "code.function.name": f"mem0.memory.main.Memory.{method}",
                "gen_ai.memory.store.id": self.collection_name,
                **given(*args),
            }
            try:
                with tracer.start_as_current_span(name, attributes=attributes) as span:
                    result = original(self, *args, **kwargs)
                    span.set_attribute("gen_ai.memory.record.count", count(result))
                    return result
            finally:
                histogram.record(time.perf_counter() - began, {"gen_ai.operation.name": name})

        setattr(type(memory), method, call)

    def phase(component: Any, method: str, name: str, given: Callable[..., Any], found: str = "") -> None:
        original = getattr(type(component), method)

        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            with tracer.start_as_current_span(name, attributes=given(self, *args, **kwargs)) as span:
                result = original(self, *args, **kwargs)
                if found and result is not None:
                    span.set_attribute(found, len(result))
                return result

        setattr(type(component), method, call)

    rows = "db.response.returned_rows"
    operation("get", "get_memory", lambda _: 0, lambda identity: {"gen_ai.memory.record.id": identity})
    operation("search", "search_memory", lambda result: len(result["results"]), lambda _: {})
    operation("add", "upsert_memory", lambda result: len(result["results"]), lambda _: {})
    phase(memory.embedding_model, "embed", "mem0.embed", embedding, "gen_ai.embeddings.dimension.count")
    type(memory.embedding_model).embed_batch = embed_batch
    phase(memory.llm, "generate_response", "mem0.llm.generate", generation)
    for method in ("search", "keyword_search"):
        phase(memory.vector_store, method, f"mem0.vector_store.{method}", query(method), rows)
    phase(memory.vector_store, "insert", "mem0.vector_store.insert", query("insert"))
    phase(memory.db, "batch_add_history", "mem0.history.write", statement("batch_add_history"))
    phase(memory.db, "save_messages", "mem0.messages.write", statement("save_messages"))
    phase(memory.db, "get_last_messages", "mem0.messages.read", statement("get_last_messages"), rows)


def exported(call: Callable[[], object]) -> list[Any]:
    """Return what a call exports: the names and attributes of its spans."""
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
    """Take no time, so that what is measured is the wrapper's own."""


def measure(case: str) -> dict[str, dict[str, float]]:
    """Return the microseconds that each call takes untouched, and those that each way of recording adds."""
    import mem0

    if case == "API without SDK":
        from opentelemetry import metrics, trace  # noqa: F401
    elif case != "OpenTelemetry not imported":
        set_up_sdk(case)
    mem0.Memory.get = empty
    memories = {"bare": new_memory(copy_of(mem0.Memory), copies=True)}
    if case == RECORDED:
        memories["by hand"] = new_memory(copy_of(mem0.Memory), copies=True)
        write_by_hand(memories["by hand"])
    memories["instrumented"] = new_memory(mem0.Memory, copies=False)
    instrument(case)

    gc.collect()
    gc.freeze()  # else a collection would fall on one of them, and take longer than all of its calls
    texts = iter(range(10**9))
    calls: dict[str, tuple[Callable[[Any], Any], int]] = {
        "get": (lambda memory: memory.get("m"), 100),
        "search": (lambda memory: memory.search("tea", filters={"user_id": "alice"}), 5),
        "add": (lambda memory: memory.add(f"Number {next(texts)}.", user_id="bob"), 2),
    }
    return {name: dict(one_call(memories, name, *call)) for name, call in calls.items()}


def one_call(
    memories: dict[str, Any], call_name: str, call: Callable[[Any], Any], number: int
) -> Iterator[tuple[str, float]]:
    """Yield what a call takes on the bare memory, and the median of what each other adds to it."""
    if "by hand" in memories:
        by_hand, ours = (
            exported(functools.partial(call, memories[each])) for each in ("by hand", "instrumented")
        )
        assert by_hand == ours != [], f"not the same spans:\n{by_hand}\n{ours}"
    took: dict[str, list[float]] = {name: [] for name in memories}
    for _ in range(ROUNDS):
        for name, memory in memories.items():
            began = time.thread_time()
            for _ in range(number):
                call(memory)
            took[name].append((time.thread_time() - began) / number * 1e6)
            if call_name == "add":
                memory.vector_store.reset()  # else each call would take longer than the one before
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
    row("the same spans and measurements by hand", found[RECORDED], "by hand")
    for call in ("search", "add"):
        bare, added = (found[SAMPLED_OUT][call][name] for name in ("bare", "instrumented"))
        ours, by_hand = (found[RECORDED][call][name] for name in ("instrumented", "by hand"))
        print(f"\n`{call}`, {bare:.0f} µs bare. Sampled out: {added / bare:+.1%}.", end=" ")
        print(f"Recorded: {ours / by_hand:.2f} of what the same adds by hand.")


def row(name: str, found: dict[str, dict[str, float]], which: str) -> None:
    """Print a row of the table."""
    print("|", " | ".join((name, *(f"{found[call][which]:+.1f} µs" for call in CALLS))), "|", flush=True)


if __name__ == "__main__":
    main()

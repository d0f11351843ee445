"""The measured programs: Mem0's own telemetry (`native`) or ours, with the same calls.

`python children.py WHAT native|ours` prints one JSON value.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from typing import Any
from uuid import uuid4

SEARCH = {
    "limit": 20,
    "version": "v1.1",
    "keys": ["user_id"],
    "encoded_ids": {"user_id": "6384e2b2184bcbf58eccf10ca7a6563c"},
    "sync_type": "sync",
    "threshold": 0.1,
    "explain": False,
    "advanced_filters": False,
}
"""The properties of a real `mem0.search`."""


class _Plain:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def instance() -> Any:
    """Return a fake with the attributes that both telemetries read from a `Memory`."""
    embedder = _Plain(config=_Plain(embedding_dims=1536))
    return _Plain(
        vector_store=_Plain(),
        llm=_Plain(),
        embedding_model=embedder,
        api_version="v1.1",
        collection_name="memories",
    )


def telemetry(kind: str) -> Any:
    """Return the module that Mem0 calls; native's client posts to our server too."""
    if kind == "native":
        import posthog

        class Local(posthog.Posthog):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **{**options, "host": os.environ["BENCH_URL"]})

        posthog.Posthog = Local  # type: ignore[misc]
        from mem0.memory import telemetry as module
    else:
        import mem0_telemetry

        mem0_telemetry.instrument(operations=False)
        from mem0.memory import telemetry as module
    return module


def calls(kind: str) -> float:
    """Measure the CPU nanoseconds of one call on the calling thread, without those of the loop."""
    capture, memory = telemetry(kind).capture_event, instance()
    count = int(os.environ["BENCH_COUNT"])

    def cpu_of(function: Any) -> int:
        start = time.thread_time_ns()
        for _ in range(count):
            function("mem0.search", memory, SEARCH)
        return time.thread_time_ns() - start

    def nothing(name: str, memory: Any, data: Any) -> None:
        pass

    capture("mem0.search", memory, SEARCH)
    loop = min(cpu_of(nothing) for _ in range(3))
    leave(max(0, cpu_of(capture) - loop) / count)


def first_event(kind: str) -> float:
    """Measure the wall milliseconds of the first kept event after `import mem0`."""
    capture, memory = telemetry(kind).capture_event, instance()
    start = time.perf_counter()
    capture("mem0.search", memory, SEARCH)
    leave((time.perf_counter() - start) * 1e3)


def growth(kind: str) -> dict[str, Any]:
    """Measure threads, and resident MB after 1 000 events and after all events of 1 000 instances."""
    capture = telemetry(kind).capture_event
    instances = [instance() for _ in range(1000)]
    for memory in instances:
        capture("mem0.init", memory, {"sync_type": "sync"})
    time.sleep(2)  # Let the threads import their dependencies.
    before = _resident()
    count = int(os.environ["BENCH_COUNT"])
    start = time.perf_counter()
    for number in range(count):
        capture("mem0.init", instances[number % 1000], {"sync_type": "sync"})
        if number % 10_000 == 0:
            time.sleep(0.2)  # Model a busy application, not a bare loop.
    seconds = time.perf_counter() - start
    found: dict[str, Any] = {
        "threads": threading.active_count() - 1,
        "before": before,
        "after": _resident(),
        "seconds": seconds,
    }
    if kind == "ours":
        import mem0_telemetry

        found["dropped"] = dict(mem0_telemetry.status().dropped)
    leave(found)


def written(kind: str) -> float:
    """Measure the writer's CPU nanoseconds for each record from queue to disk, including the SDK's `emit`."""
    capture, memory = telemetry(kind).capture_event, instance()
    import mem0_telemetry

    def write(count: int) -> int:
        target = mem0_telemetry.status().spooled + count
        others = time.process_time_ns() - time.thread_time_ns()
        for _ in range(count):
            capture("mem0.search", memory, SEARCH)
        while mem0_telemetry.status().spooled < target:
            time.sleep(0.05)
        return time.process_time_ns() - time.thread_time_ns() - others

    write(1000)
    mem0_telemetry.flush(3)  # The endpoint is down, so the sender backs off.
    count = int(os.environ["BENCH_COUNT"])
    leave(write(count) / count)


def delivered(kind: str) -> float:
    """Measure the process's CPU microseconds for each event, from the call to the destination's answer."""
    module, memory = telemetry(kind), instance()
    if kind == "native":
        flush = module._get_oss_telemetry().posthog.flush  # It has no public name.
    else:
        import mem0_telemetry

        flush = mem0_telemetry.flush
    module.capture_event("mem0.search", memory, SEARCH)
    flush(60)  # The first flush imports and connects.
    count = int(os.environ["BENCH_COUNT"])
    start = time.process_time_ns()
    for number in range(count):
        module.capture_event("mem0.search", memory, SEARCH)
        if number % 500 == 499:
            time.sleep(0.05)
    flush(60)
    leave((time.process_time_ns() - start) / count / 1e3)


def emitted(_: str) -> float:
    """Measure the CPU nanoseconds of a bare `Logger.emit` of the SDK, with the attributes of the same event."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
    from opentelemetry.sdk.resources import Resource

    from mem0_telemetry.mem0_internals.instance import observed_of_memory
    from mem0_telemetry.policy import registry

    class Nothing(LogRecordProcessor):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            del log_record

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return timeout_millis > 0

    event = registry.event_by_mem0_name("mem0.search")
    observed = {**observed_of_memory(instance()), **SEARCH, "sample_rate": 1.0}
    common = {"app.installation.id": str(uuid4()), "service.version": "2.2.1", "log.record.uid": str(uuid4())}
    attributes = {**registry.select(event, observed), **common}
    provider = LoggerProvider(Resource({}), shutdown_on_exit=False, meter_provider=NoOpMeterProvider())
    provider.add_log_record_processor(Nothing())
    logger, count = provider.get_logger("bench"), int(os.environ["BENCH_COUNT"])
    copies = [dict(attributes) for _ in range(count)]
    start = time.thread_time_ns()
    for number, one in enumerate(copies):
        logger.emit(
            LogRecord(
                timestamp=number,
                severity_number=SeverityNumber.INFO,
                body="mem0.search",
                attributes=one,
                event_name="mem0.search",
            )
        )
    leave((time.thread_time_ns() - start) / count)


def outage(kind: str) -> None:
    """Record 100 events in the 20 s that the endpoint is down, wait 10 s after it is up, record one more, and exit."""
    capture, memory = telemetry(kind).capture_event, instance()
    start = time.monotonic()
    for number in range(100):
        time.sleep(max(0.0, start + number * 0.2 - time.monotonic()))
        capture("mem0.init", memory, {"sync_type": "sync"})
    print("up", flush=True)
    sys.stdin.readline()
    time.sleep(10)
    capture("mem0.init", memory, {"sync_type": "sync"})


def exit_(kind: str) -> None:
    """Record some events and exit; the parent measures the exit."""
    if os.environ.get("BENCH_DNS") == "hangs":
        import socket

        def hang(*_: Any, **__: Any) -> Any:
            time.sleep(600)

        socket.getaddrinfo = hang
    capture, memory = telemetry(kind).capture_event, instance()
    for _ in range(int(os.environ["BENCH_COUNT"])):
        capture("mem0.init", memory, {"sync_type": "sync"})
    time.sleep(float(os.environ.get("BENCH_IDLE", "0")))
    print(json.dumps(time.time()), flush=True)


def _resident() -> float:
    with open("/proc/self/statm") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6


def leave(result: Any) -> Any:
    """Print the result and end at once, so that the exit is not measured."""
    print(json.dumps(result), flush=True)
    os._exit(0)


if __name__ == "__main__":
    measurements = {
        "calls": calls,
        "first": first_event,
        "written": written,
        "emitted": emitted,
        "delivered": delivered,
        "growth": growth,
        "outage": outage,
        "exit": exit_,
    }
    measurements[sys.argv[1]](sys.argv[2])

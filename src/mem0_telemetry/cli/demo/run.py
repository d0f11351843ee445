"""The demonstration itself: run Mem0, show and check what arrived and what was left."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from mem0_telemetry.cli.console import heading, progress, prose, styled
from mem0_telemetry.cli.harness.stage import ChildError, open_stage
from mem0_telemetry.cli.harness.use import EXPECTED
from mem0_telemetry.cli.harness.ways import WAYS
from opentelemetry.exporter.posthog.testing import check_batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mem0_telemetry.cli.harness.stage import Program, Stage

_TIME = 600.0
"""Seconds for all of it; it takes about half a minute."""


def run(*, verbose: bool) -> int:
    """Run the demonstration and print it; return 0 only where all of it was observed."""
    prose(
        f"Real Mem0 runs {len(WAYS) + 2} times, in temporary homes, with fake servers for PostHog, an OTLP backend "
        "and Mem0's hosted API. Nothing leaves this machine. It takes about half a minute."
    )
    examples: dict[str, Any] = {}
    with open_stage(_TIME, progress) as stage:
        try:
            breaches = list(_observe(stage, examples))
        except ChildError as error:
            breaches = [str(error)]
    print()
    for breach in breaches:
        prose(styled(f"NOT AS PROMISED: {breach}", "red"))
    if breaches:
        prose("Some of it was not observed.")
    else:
        prose(styled("All of this was observed, not assumed.", "green"))
    if not verbose:
        prose("`mem0-telemetry demo --verbose` prints an event and a log record in full.")
    for title, example in examples.items() if verbose else ():
        heading(title)
        print(json.dumps(example, indent=2, ensure_ascii=False))
    return 1 if breaches else 0


def _observe(stage: Stage, examples: dict[str, Any]) -> Iterator[str]:
    """Run everything and print it; yield what is not as promised."""
    both = {
        "MEM0_TELEMETRY": "true",
        "MEM0_TELEMETRY_EXPORTER": "posthog,otlp",
        "MEM0_TELEMETRY_OTLP_ENDPOINT": stage.receiver.url,
    }
    on = stage.program(settings=both, counted=True)
    off = [stage.program(way, counted=True) for way in WAYS]
    traces = stage.program(WAYS[0])
    stage.run([on, *off])
    tree = stage.start(traces.home, stage.environ(traces), "mem0_telemetry.cli.demo.traces")
    heading("Switched on: what arrives")
    yield from _show_on(stage, on, examples)
    heading("Switched off: the same calls, and what telemetry does and leaves")
    for program in off:
        yield from _show_off(program)
    yield from (f"a request to {request.path} while it was off" for request in stage.unused.requests)
    heading("The application's own traces of an add and a search, usage telemetry off")
    yield from _show_traces(tree or "")


def _show_on(stage: Stage, program: Program, examples: dict[str, Any]) -> Iterator[str]:
    report = program.report()
    events, requests = stage.receiver.events, stage.receiver.requests
    records = [
        record for request in requests if request.path == "/v1/logs" for record in _decode(request.body)
    ]
    arrived = Counter(event["event"] for event in events)
    logs = Counter(record["event_name"] for record in records)
    print(styled(f"  PostHog {len(events)} events, OTLP backend {len(records)} log records", "green"))
    names = [f"{name} {count}" for name, count in sorted(arrived.items())]
    for row in range(0, len(names), 3):
        print("  " + "".join(f"{name:<25}" for name in names[row : row + 3]).rstrip())
    examples["PostHog received"] = _first(events, "event")
    examples["The OTLP backend received"] = _first(records, "event_name")
    for request in requests:
        if request.path == "/batch/":
            yield from check_batch(request.body)
    if arrived != EXPECTED:
        yield f"PostHog received {dict(arrived)}, not {dict(EXPECTED)}"
    if sorted(logs.values()) != sorted(arrived.values()):
        yield "the two destinations did not receive the same"
    if not report["arrived"]:
        yield "flush() ran out of time"


def _first(found: Iterable[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((each for each in found if each[name] == "mem0.search"), None)


def _show_off(program: Program) -> Iterator[str]:
    shown = program.way.shown if program.way else ""
    done = program.done()
    kinds = {"requests": "network", "threads": "thread", "files": "file"}
    counts = {name: sum(each.startswith(kind) for each in done) for name, kind in kinds.items()}
    line = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"  {shown:<39} {styled(line, 'red' if done else 'green')}")
    yield from (f"{shown}: {each}" for each in done)


def _show_traces(tree: str) -> Iterator[str]:
    print("\n".join(f"  {line}" for line in tree.splitlines()))
    operations = [line.split()[0] for line in tree.splitlines() if line[:1].isalpha()]
    if operations != ["upsert_memory", "search_memory"]:
        yield f"the operations in the traces are {operations}"


def _decode(body: bytes) -> list[dict[str, Any]]:
    """The log records of an OTLP request, in plain values."""
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415  # comes with the extra [otlp]
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415
        ExportLogsServiceRequest,
    )

    request = ExportLogsServiceRequest.FromString(body)
    return [
        {
            "event_name": record.event_name,
            "time_unix_nano": record.time_unix_nano,
            "body": record.body.string_value,
            "attributes": _plain(MessageToDict(record)["attributes"]),
            "resource": _plain(MessageToDict(resource.resource)["attributes"]),
        }
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def _plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    def value(any_value: dict[str, Any]) -> Any:
        ((kind, content),) = any_value.items()
        if kind == "arrayValue":
            return [value(item) for item in content["values"]]
        return int(content) if kind == "intValue" else content  # JSON has no integers of 64 bits

    return {attribute["key"]: value(attribute["value"]) for attribute in attributes}

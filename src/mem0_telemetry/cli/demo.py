# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry demo`: real Mem0 with fake servers, switched on and off.

Everything runs on this machine: no key, no network. The exit status is 0 only if all of it was observed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any

from mem0_telemetry.cli.console import failed, heading, progress, prose, styled
from mem0_telemetry.cli.harness.stage import ChildError, Program, Stage, open_stage
from mem0_telemetry.cli.harness.use import EXPECTED
from mem0_telemetry.cli.harness.ways import WAYS
from mem0_telemetry.environment_variables import MEM0_TELEMETRY_EXPORTER
from mem0_telemetry.pipeline import destinations
from opentelemetry.exporter.posthog.testing import check_batch

_TIME = 600.0
"""Seconds after which it is ended; it takes about half a minute."""


def run(*, verbose: bool) -> int:
    """Run the demonstration, or say what has to be installed for it; return 0 only if all of it was observed."""
    if find_spec("mem0") is None:
        return failed("demo uses real Mem0, which is not installed: pip install mem0ai")
    if destinations.resolve({MEM0_TELEMETRY_EXPORTER: "otlp"}).problems:
        return failed(
            "demo also sends to a fake OTLP backend, and the exporters for that are not installed: the extra [otlp]"
        )
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
    tree = stage.start(traces, "mem0_telemetry.cli.span_tree") or ""
    heading("Switched on: what arrives")
    yield from _show_on(stage, on, examples)
    heading("Switched off: the same calls, and what telemetry does and leaves")
    for program in off:
        yield from _show_off(program)
    yield from (f"a request to {request.path} while it was off" for request in stage.unused.requests)
    heading("The application's own traces of an add and a search, usage telemetry off")
    for line in tree.splitlines():
        print(f"  {line}")
    operations = [line.split()[0] for line in tree.splitlines() if line[:1].isalpha()]
    if operations != ["upsert_memory", "search_memory"]:
        yield f"the operations in the traces are {operations}"


def _show_on(stage: Stage, program: Program, examples: dict[str, Any]) -> Iterator[str]:
    events = stage.receiver.events
    batches = [request.body for request in stage.receiver.requests if request.path == "/batch/"]
    logs = [request.body for request in stage.receiver.requests if request.path == "/v1/logs"]
    records = [record for body in logs for record in _decode(body)]
    arrived = Counter(event["event"] for event in events)
    print(styled(f"  PostHog {len(events)} events, OTLP backend {len(records)} log records", "green"))
    names = [f"{name} {count}" for name, count in sorted(arrived.items())]
    for row in range(0, len(names), 3):
        print("  " + "".join(f"{name:<25}" for name in names[row : row + 3]).rstrip())
    examples["PostHog received"] = _first_search(events, "event")
    examples["The OTLP backend received"] = _first_search(records, "event_name")
    yield from (violation for batch in batches for violation in check_batch(batch))
    if arrived != EXPECTED:
        yield f"PostHog received {dict(arrived)}, not {dict(EXPECTED)}"
    if sorted(Counter(record["event_name"] for record in records).values()) != sorted(arrived.values()):
        yield "the two destinations did not receive the same"
    if not program.report()["arrived"]:
        yield "flush() ran out of time"


def _first_search(found: Iterable[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((each for each in found if each[name] == "mem0.search"), None)


def _show_off(program: Program) -> Iterator[str]:
    shown, done = program.way.shown if program.way else "", program.done()
    kinds = {"requests": "network", "threads": "thread", "files": "file"}
    counts = (f"{name} {sum(each.startswith(kind) for each in done)}" for name, kind in kinds.items())
    print(f"  {shown:<39} {styled(', '.join(counts), 'red' if done else 'green')}")
    yield from (f"{shown}: {each}" for each in done)


def _decode(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the log records of an OTLP request, in plain values."""
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415  # They come with the extra [otlp].
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest  # noqa: PLC0415

    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for record in (record for scope in resource.scope_logs for record in scope.log_records):
            yield {
                "event_name": record.event_name,
                "time_unix_nano": record.time_unix_nano,
                "body": record.body.string_value,
                "attributes": _plain(MessageToDict(record)["attributes"]),
                "resource": _plain(MessageToDict(resource.resource)["attributes"]),
            }


def _plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    def value(any_value: dict[str, Any]) -> Any:
        ((kind, content),) = any_value.items()
        if kind == "arrayValue":
            return [value(item) for item in content["values"]]
        return int(content) if kind == "intValue" else content  # JSON has no integers of 64 bits.

    return {attribute["key"]: value(attribute["value"]) for attribute in attributes}

# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry demo`: real Mem0 with fake servers on this machine, switched on and off. It needs no key."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec

from opentelemetry.sdk._logs import ReadableLogRecord

from mem0_telemetry.cli.console import failed, heading, progress, prose, styled
from mem0_telemetry.cli.harness.stage import ChildError, Program, Stage, open_stage
from mem0_telemetry.cli.harness.use import EXPECTED
from mem0_telemetry.cli.harness.ways import WAYS
from mem0_telemetry.delivery._decode import decode
from opentelemetry.exporter.posthog.testing import check_batch


def run(*, verbose: bool) -> int:
    """Run the demonstration, or print which package it needs; return 0 only if everything was as promised."""
    if find_spec("mem0") is None:
        return failed("demo uses real Mem0, which is not installed: pip install mem0ai")
    if find_spec("opentelemetry.exporter.otlp") is None:
        return failed("demo also sends to a fake OTLP backend: pip install 'mem0-telemetry[otlp]'")
    prose(
        f"Real Mem0 runs {len(WAYS) + 2} times, in temporary homes, with fake servers for PostHog, an OTLP backend "
        "and Mem0's hosted API. Nothing leaves this machine. It takes about half a minute."
    )
    with open_stage(600) as stage:
        try:
            breaches = list(_observe(stage))
        except ChildError as error:
            breaches = [str(error)]
    print()
    for breach in breaches:
        prose(styled(f"NOT AS PROMISED: {breach}", "red"))
    if breaches:
        prose("Not all of it was observed.")
        return 1
    prose(styled("All of this was observed, not assumed.", "green"))
    if verbose:
        heading("PostHog received, for example:")
        event = next(event for event in stage.receiver.events if event["event"] == "mem0.search")
        print(json.dumps(event, indent=2))
        heading("The OTLP backend received, for example:")
        record = next(each for each in _log_records(stage) if each.log_record.event_name == "mem0.search")
        print(record.to_json(indent=2))
    else:
        prose("`mem0-telemetry demo --verbose` prints an event and a log record in full.")
    return 0


def _observe(stage: Stage) -> Iterator[str]:
    """Run the programs and print what they did; yield each broken promise."""
    both = {"MEM0_TELEMETRY_EXPORTER": "posthog,otlp", "MEM0_TELEMETRY_OTLP_ENDPOINT": stage.receiver.url}
    on = stage.program(settings=both, counted=True)
    off = [stage.program(way, counted=True) for way in WAYS]
    stage.run([on, *off], progress)
    tree = stage.start(stage.program(WAYS[0]), "mem0_telemetry.cli.span_tree") or ""
    heading("Switched on: what arrives")
    yield from _show_on(stage, on)
    heading("Switched off: the same calls, and what telemetry did")
    for program in off:
        done = program.done()
        kinds = {"requests": "network", "threads": "thread", "files": "file"}
        counts = [f"{name} {sum(each.startswith(kind) for each in done)}" for name, kind in kinds.items()]
        print(f"  {program.way.shown:<39} {styled(', '.join(counts), 'red' if done else 'green')}")
        yield from (f"{program.way.shown}: {each}" for each in done)
    yield from (f"a request to {request.path} while it was off" for request in stage.unused.requests)
    heading("The application's own traces of an add and a search, usage telemetry off")
    for line in tree.splitlines():
        print(f"  {line}")
    operations = [line.split()[0] for line in tree.splitlines() if line[:1].isalpha()]
    if operations != ["upsert_memory", "search_memory"]:
        yield f"the operations in the traces are {operations}"


def _show_on(stage: Stage, program: Program) -> Iterator[str]:
    """Print how many of each event arrived; yield each broken promise."""
    arrived = Counter(event["event"] for event in stage.receiver.events)
    records = Counter(record.log_record.event_name for record in _log_records(stage))
    print(styled(f"  PostHog {arrived.total()} events, OTLP backend {records.total()} log records", "green"))
    names = [f"{name} {count}" for name, count in sorted(arrived.items())]
    for row in range(0, len(names), 3):
        print("  " + "".join(f"{name:<25}" for name in names[row : row + 3]).rstrip())
    for request in stage.receiver.requests:
        if request.path == "/batch/":
            yield from check_batch(request.body)
    if arrived != EXPECTED:
        yield f"PostHog received {dict(arrived)}, not {dict(EXPECTED)}"
    if sorted(records.values()) != sorted(arrived.values()):
        yield "the two destinations did not receive the same"
    if not program.report()["arrived"]:
        yield "flush() ran out of time"


def _log_records(stage: Stage) -> list[ReadableLogRecord]:
    """Return the log records that the fake OTLP backend received."""
    from google.protobuf.json_format import MessageToJson  # noqa: PLC0415  # The extra [otlp] installs it.
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest  # noqa: PLC0415

    bodies = [request.body for request in stage.receiver.requests if request.path == "/v1/logs"]
    messages = map(ExportLogsServiceRequest.FromString, bodies)
    lines = [MessageToJson(message, use_integers_for_enums=True) for message in messages]
    return [record for line in lines for record in decode(f"{line}\n".encode())]

"""The demonstration itself: start the stand-ins, run the sessions, show and check what arrived."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mem0_telemetry.cli.console import heading, prose, styled
from mem0_telemetry.cli.demo.platform_stub import PlatformStub
from mem0_telemetry.cli.surroundings import inherited
from opentelemetry.exporter.posthog.testing import CaptureServer, check_batch

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEMORY: Final = (
    "init",
    "add",
    "search",
    "get_all",
    "get",
    "update",
    "history",
    "delete",
    "delete_all",
    "reset",
)
_CLIENT: Final = ("init", "add", "search", "get_all", "update", "history", "delete", "delete_all")
EXPECTED: Final = Counter(
    {**{f"mem0.{name}": 2 for name in _MEMORY}, **{f"client.{name}": 1 for name in _CLIENT}}
)
"""Events of one session, by Mem0's names: `Memory` and `AsyncMemory`, and one hosted client."""

_TIMEOUT: Final = 120  # seconds for one session; it takes about three


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """One way to switch telemetry off."""

    shown: str
    environ: Mapping[str, str]
    arguments: tuple[str, ...] = ()


OPT_OUTS: Final = (
    OptOut(shown="MEM0_TELEMETRY=False", environ={"MEM0_TELEMETRY": "False"}),
    OptOut(shown='os.environ["MEM0_TELEMETRY"] = "False"', environ={}, arguments=("--off-by", "environ")),
    OptOut(shown="telemetry.MEM0_TELEMETRY = False", environ={}, arguments=("--off-by", "flag")),
    OptOut(shown="mem0_telemetry.set_enabled(False)", environ={}, arguments=("--off-by", "set_enabled")),
    OptOut(shown="OTEL_SDK_DISABLED=true", environ={"OTEL_SDK_DISABLED": "true"}),
    OptOut(shown="DO_NOT_TRACK=1", environ={"DO_NOT_TRACK": "1"}),
    OptOut(shown="MEM0_TELEMETRY_EXPORTER=none", environ={"MEM0_TELEMETRY_EXPORTER": "none"}),
)


def run(*, verbose: bool) -> int:
    """Run the demonstration and print it; return 0 only where all of it was observed."""
    steps = len(OPT_OUTS) + 2
    prose(
        f"Real Mem0 runs {steps} times, in temporary homes, with fake servers for PostHog, an OTLP backend and "
        "Mem0's hosted API. Nothing leaves this machine. It takes about half a minute."
    )
    breaches: list[str] = []
    examples: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="mem0-telemetry-demo-") as scratch, PlatformStub() as platform:
        heading("Switched on: what arrives")
        _step(1, steps, "MEM0_TELEMETRY=true")
        breaches += _show_on(Path(scratch, "on"), platform.url, examples)
        heading("Switched off: the same calls, and what telemetry leaves")
        for number, opt_out in enumerate(OPT_OUTS, 2):
            _step(number, steps, opt_out.shown)
            breaches += _show_off(Path(scratch, f"off-{number}"), platform.url, opt_out)
        heading("The application's own traces, while usage telemetry is off")
        _step(steps, steps, "an add and a search")
        breaches += _show_traces(Path(scratch, "traces"))
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


def _step(number: int, of: int, name: str) -> None:
    """Say what runs now; its result follows on the same line."""
    print(f"{styled(f'[{number}/{of}]', 'dim')} {name:<39}", end="", flush=True)


def _show_on(directory: Path, platform_url: str, examples: dict[str, Any]) -> list[str]:
    with CaptureServer() as server:
        report = _session(directory, platform_url, server.url, {"MEM0_TELEMETRY": "true"})
        events = list(server.events)
        batches = [request.body for request in server.requests if request.path == "/batch/"]
        records = [
            record
            for request in server.requests
            if request.path == "/v1/logs"
            for record in _decode(request.body)
        ]
    breaches = [violation for batch in batches for violation in check_batch(batch)]
    arrived = Counter(event["event"] for event in events)
    logs = Counter(record["event_name"] for record in records)
    print(styled(f"PostHog {len(events)} events, OTLP {len(records)}", "green"))
    names = [f"{name} {count}" for name, count in sorted(arrived.items())]
    for row in range(0, len(names), 3):
        print("      " + "".join(f"{name:<24}" for name in names[row : row + 3]).rstrip())
    for title, name, found in (
        ("PostHog received", "event", events),
        ("The OTLP backend received", "event_name", records),
    ):
        examples[title] = next((each for each in found if each[name] == "mem0.search"), None)
    if arrived != EXPECTED:
        breaches.append(f"PostHog received {dict(arrived)}, not {dict(EXPECTED)}")
    if sorted(logs.values()) != sorted(arrived.values()):
        breaches.append("the two destinations did not receive the same")
    if not report["done"]:
        breaches.append("flush() ran out of time")
    return breaches


def _show_off(directory: Path, platform_url: str, opt_out: OptOut) -> list[str]:
    with CaptureServer() as server:
        report = _session(directory, platform_url, server.url, opt_out.environ, *opt_out.arguments)
        counts = {
            "requests": len(server.requests),
            "threads": len(report["threads"]),
            "files": len(report["files"]) + report["migrations"],
            "heavy imports": len(report["heavy"]) if opt_out.environ else 0,  # else it was on at first
        }
    breaches = [f"{opt_out.shown}: {name} {count}" for name, count in counts.items() if count]
    counts.pop("heavy imports")
    line = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(styled(line, "red" if breaches else "green"))
    return breaches


def _show_traces(directory: Path) -> list[str]:
    tree = _run_module("traces", directory, {"MEM0_TELEMETRY": "False"})
    print()
    print("\n".join(f"      {line}" for line in tree.splitlines()))
    operations = [line.split()[0] for line in tree.splitlines() if line[:1].isalpha()]
    expected = ["upsert_memory", "search_memory"]
    return (
        [] if operations == expected else [f"the operations in the traces are {operations}, not {expected}"]
    )


def _session(
    directory: Path, platform_url: str, server_url: str, environ: Mapping[str, str], *arguments: str
) -> dict[str, Any]:
    """Run one session, with both destinations at `server_url`; return what it reports."""
    settings = {
        "MEM0_TELEMETRY_EXPORTER": "posthog,otlp",
        "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_demo",
        "MEM0_TELEMETRY_POSTHOG_HOST": server_url,
        "MEM0_TELEMETRY_OTLP_ENDPOINT": server_url,
        "MEM0_TELEMETRY_SAMPLE_RATE": "1",
        **environ,
    }
    printed = _run_module("session", directory, settings, platform_url, *arguments)
    report: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return report


def _run_module(name: str, directory: Path, settings: Mapping[str, str], *arguments: str) -> str:
    """Run a module of this package in a process and a home of its own; return what it printed."""
    directory.mkdir(parents=True)
    result = subprocess.run(  # noqa: S603  # our own module, with this interpreter
        [sys.executable, "-m", f"{__package__}.{name}", str(directory), *arguments],
        env={**inherited(), "HOME": str(directory), "MEM0_DIR": str(directory / ".mem0"), **settings},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{name} failed:\n{result.stderr}")
    return result.stdout


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

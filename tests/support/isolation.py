"""Run an application that uses OpenTelemetry itself, in one process with us, and find leaks between the two."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opentelemetry.sdk

from opentelemetry.exporter.posthog.testing import CaptureServer
from support.grpc_receiver import GrpcReceiver
from support.processes import posthog_environ

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM = Path(__file__).with_name("host_application.py")
MARKER = "marker_4tz"
"""A text in every setting of the application; the other secret is its baggage."""
_SECRETS = (MARKER, "planted_baggage_6wd")
_INSTALLED = Path(opentelemetry.sdk.__path__[0]).parent
_NUMBERS = ("COUNT_LIMIT", "LENGTH_LIMIT")


def every_setting(url: str) -> dict[str, str]:
    """Return every `OTEL_*` variable that the installed SDK, exporters and instrumentations read, set to the marker."""
    found = set()
    for source in _INSTALLED.rglob("*.py"):
        found.update(re.findall(r"\bOTEL_[A-Z0-9_]*[A-Z0-9]", source.read_text(encoding="utf-8")))
    values = {}
    for name in found:
        values[name] = MARKER
        if name.endswith("HEADERS"):
            values[name] = f"x-{MARKER}={MARKER}"
        elif name.endswith("RESOURCE_ATTRIBUTES"):
            values[name] = f"{MARKER}={MARKER},service.instance.id={MARKER},service.name={MARKER}"
        elif name.endswith("ENDPOINT"):
            values[name] = f"{url}/{MARKER}"
        elif name.endswith(_NUMBERS):  # The application's SDK cannot be imported with any other value.
            values[name] = "1"
    return values


def usable_settings(url: str) -> dict[str, str]:
    """Return the settings that still let an application use its own SDK, without limits on its spans."""
    settings = {
        name: value
        for name, value in every_setting(url).items()
        if name.endswith(("HEADERS", "ENDPOINT", "RESOURCE_ATTRIBUTES", "SERVICE_NAME"))
        or name.startswith("OTEL_LOGRECORD")
    }
    return {**settings, "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "true"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The application's report, and the data that our destinations received."""

    report: dict[str, Any]
    stderr: str
    wire: bytes
    """Every head and body sent to our destinations, in lower case."""
    events: list[dict[str, Any]]
    own: list[Any]
    """Requests that arrived at the application's own server."""
    ports: tuple[int, ...]
    """The ports of our destinations."""

    def breaches(self) -> set[str]:
        """Return each leak from one side to the other."""
        processes = [self.report, *([self.report["child"]] if "child" in self.report else [])]
        found = {f"{secret} is on our wire" for secret in _SECRETS if secret.encode() in self.wire}
        for process in processes:
            ids = [form for id_ in process["ids"] for form in (id_.encode(), bytes.fromhex(id_))]
            if any(id_ in self.wire for id_ in ids):
                found.add("an id of the application's trace is on our wire")
            seen = json.dumps([process.get(kind) for kind in ("spans", "metrics", "logs", "records")])
            found.update(
                f"the application sees port {port}" for port in self.ports if re.search(rf"\b{port}\b", seen)
            )
            if process.get("logs"):
                found.add("our events are among the application's logs")
            if "otel.sdk.log" in process.get("metrics", ""):
                found.add("our SDK counts on the application's meter")
            if process.get("global is its own") is False:
                found.add("the global provider is ours")
        if b"traceparent" in self.wire or b"authorization" in self.wire:
            found.add("a header of the application's is on our wire")
        if b"service.instance.id" in self.wire:
            found.add("the resource has a service.instance.id")
        if any(
            not {"sync_type", "client_version", "os"} <= set(event["properties"]) for event in self.events
        ):
            found.add("the application's limits cut our events")
        if not self.report["environment is as it was"]:
            found.add("the environment was changed")
        return found


def run(  # noqa: PLR0913  # Each is one aspect of a run.
    home: Path,
    order: str,
    *further: str,
    protocol: str = "http/protobuf",
    launcher: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
    further_settings: Mapping[str, str] | None = None,
    package: Path | None = None,
) -> Outcome:
    """Run the application; return what both sides received.

    Args:
        home: its home, where a `.netrc` with a password for every host is written.
        order: who sets its providers, and when (see `host_application.py`).
        further: further arguments of `host_application.py`.
        protocol: the protocol of our OTLP destination; PostHog and the console are destinations too.
        launcher: the command that starts it.
        settings: its OpenTelemetry variables; by default `usable_settings`.
        further_settings: variables in addition to `settings`.
        package: the directory of another build of our package.
    """
    (home / ".netrc").write_text(f"default login {MARKER} password {MARKER}\n")
    (home / ".netrc").chmod(0o600)
    with ExitStack() as stack:
        own, posthog, otlp = (stack.enter_context(CaptureServer()) for _ in range(3))
        grpc = stack.enter_context(GrpcReceiver())
        environ = posthog_environ(
            home,
            posthog.url,
            MEM0_TELEMETRY_EXPORTER="posthog,otlp,console",
            MEM0_TELEMETRY_OTLP_ENDPOINT=grpc.url if protocol == "grpc" else otlp.url,
            MEM0_TELEMETRY_OTLP_PROTOCOL=protocol,
            PATH=str(Path(sys.executable).parent),
            PYTHONWARNINGS="ignore:This process",  # Python 3.12 and later warn at a fork.
            **(usable_settings(own.url) if settings is None else settings),
            **(further_settings or {}),
        )
        if package is not None:
            environ["PYTHONPATH"] += f":{package}"
        result = subprocess.run(
            [*launcher, sys.executable, _PROGRAM, order, own.url, *further],
            env=environ,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        printed, _, report = result.stdout.rstrip("\n").rpartition("\n")
        assert len(grpc.calls if protocol == "grpc" else otlp.requests) > 0
        assert printed.count('"event_name"') == len(posthog.events) > 0
        requests = [*posthog.requests, *otlp.requests]
        heads = [repr((each.path, dict(each.headers))).encode() for each in requests]
        bodies = [body for each in requests for body in (each.body, each.raw_body)]
        return Outcome(
            report=json.loads(report),
            stderr=result.stderr,
            wire=b"\n".join((*heads, *bodies, *grpc.calls, printed.encode())).lower(),
            events=posthog.events,
            own=own.requests,
            ports=(posthog.port, otlp.port, grpc.port),
        )


LIBRARIES = {"/own/requests", "/own/httpx", "/own/urllib3"}


def own_spans(report: dict[str, Any]) -> set[str]:
    """Return the paths of the application's own requests that its spans name."""
    spans = json.dumps(report["spans"])
    return {path for path in LIBRARIES if path in spans}

"""Planted texts of every shape, passed to every public method of Mem0, neither leave the process nor are stored."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mem0_telemetry.cli import verify
from mem0_telemetry.cli.harness.fake_servers import FakePlatform
from mem0_telemetry.cli.harness.planted import found_in, new_texts
from mem0_telemetry.cli.harness.stage import open_stage
from support.grpc_receiver import GrpcReceiver
from support.processes import clean_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {"directory", "collection", "custom_class", "api_key", "netrc_login", "netrc_password"}
"""Texts that a file system, an HTTP header or a `.netrc` does not accept in every shape."""
OF_THE_ENVIRONMENT = {"otel_resource", "otel_header", "otel_service", "baggage", "host_name", "user_name"}

SHAPES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FEW: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.generate],  # Shrinking would take minutes and help little.
    "suppress_health_check": list(HealthCheck),
}


def planted_in(shape: list[str]) -> dict[str, str]:
    """Return texts to plant, each built around one of the generated shapes."""
    plain = new_texts()
    return {kind: _shaped(kind, text, made) for (kind, text), made in zip(plain.items(), shape, strict=True)}


def _shaped(kind: str, text: str, made: str) -> str:
    if kind in PLAIN | OF_THE_ENVIRONMENT:
        return text
    around = "".join(made.split()) if kind.endswith("_id") else made  # Mem0 rejects ids with spaces.
    return f"{around}{secrets.token_hex(6)}{around}"


@given(shape=st.lists(SHAPES, min_size=33, max_size=33))
@settings(max_examples=3, **FEW)
def test_no_planted_text_leaves(shape: list[str]) -> None:
    """Planted texts of any characters and length, in any argument, are in no request, file, output or log."""
    with open_stage(120, planted=planted_in(shape)) as stage:
        program = verify.program_on(stage)
        stage.run([program])
        checks = list(verify.checks_on(program, stage))
        assert [breach for check in checks for breach in check.breaches] == []
        assert len(stage.receiver.events) > 200
        assert "33 planted texts, in 5 forms each" in checks[1].observed


@given(shape=st.lists(SHAPES, min_size=33, max_size=33))
@settings(max_examples=2, **FEW)
def test_no_planted_text_leaves_by_grpc_or_on_a_terminal(shape: list[str]) -> None:
    """The planted texts are in no gRPC call, not on stdout (where `console` prints), and not on stderr."""
    with GrpcReceiver() as grpc, open_stage(120, planted=planted_in(shape)) as stage:
        choice = {
            "MEM0_TELEMETRY": "true",
            "MEM0_TELEMETRY_EXPORTER": "posthog,otlp,console",
            "MEM0_TELEMETRY_OTLP_ENDPOINT": grpc.url,
            "MEM0_TELEMETRY_OTLP_PROTOCOL": "grpc",
        }
        program = stage.program(settings=choice, thoroughly=True)
        printed = stage.run([program])
        places = [
            *(("a call of gRPC", call) for call in grpc.calls),
            ("stdout", printed.encode()),
            ("stderr", program.errors_path.read_bytes()),
            ("a log record", "\n".join(program.report()["logged"]).encode()),
        ]
        events = stage.receiver.events
    assert list(found_in(places, stage.planted)) == []
    calls = b"".join(grpc.calls)
    missing = [event["uuid"] for event in events if event["uuid"].encode() not in calls]
    assert missing == []
    assert printed.count('"event_name"') == len(events) > 200


EVERY_METHOD = """
import asyncio, inspect, json, os
from pathlib import Path
import mem0
from mem0.client.project import AsyncProject, Project
from mem0_telemetry.cli.harness.use import use_mem0
from mem0_telemetry.cli.harness.planted import new_texts

def counted(cls, name, method):
    def call(*arguments, **named):
        called.add((cls.__name__, name))
        return method(*arguments, **named)
    call.__wrapped__ = method
    return call

expected, called = set(), set()
for cls in (mem0.Memory, mem0.AsyncMemory, mem0.MemoryClient, mem0.AsyncMemoryClient, Project, AsyncProject):
    for name in dir(cls):
        method = inspect.getattr_static(cls, name)
        if not name.startswith("_") and inspect.isfunction(method):
            expected.add((cls.__name__, name))
            setattr(cls, name, counted(cls, name, method))
asyncio.run(use_mem0(new_texts(), directory=Path("stores"), platform_url={url!r}, thoroughly=True))
print(json.dumps([len(expected), sorted(expected - called)]), flush=True)
os._exit(0)  # The exit of mem0ai 1.0.0 waits half a second for each of its PostHog clients.
"""


def test_every_public_method_is_called(tmp_path: Path) -> None:
    """`use_mem0` calls every public method of all six classes of the installed Mem0."""
    with FakePlatform() as platform:
        code = EVERY_METHOD.replace("{url!r}", repr(platform.url))
        methods, never_called = report_of(code, clean_environ(tmp_path, MEM0_TELEMETRY="False"), timeout=180)
    assert methods > 80
    assert never_called == []

"""Planted secrets of every shape, through every public method of Mem0, in nothing that leaves or is kept."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, ClassVar

from grpc_receiver import GrpcReceiver
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from processes import clean_environ, report_of

from mem0_telemetry.cli.demo.platform_stub import PlatformStub
from mem0_telemetry.cli.verify import _on
from mem0_telemetry.cli.verify._children import Program, Stage
from mem0_telemetry.cli.verify._secrets import Planted
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

PLAIN = {"directory", "collection", "custom_class", "api_key", "netrc_login", "netrc_password"}
"""What a file system, an HTTP head or a `.netrc` would not take in any shape."""
OF_THE_ENVIRONMENT = {"otel_resource", "otel_header", "otel_service", "baggage", "host_name", "user_name"}

SHAPES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FEW: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.generate],  # shrinking would take minutes and tell little
    "suppress_health_check": list(HealthCheck),
}


class Recording(Stage):
    """A stage that keeps what its programs print."""

    printed: ClassVar[list[str]] = []

    def start(self, *arguments: Any, **named: Any) -> str | None:
        """Run a module of ours and return what it printed."""
        self.printed.append(super().start(*arguments, **named) or "")
        return self.printed[-1]


def planted_in(shape: list[str]) -> Planted:
    """Answer texts to plant, of such shapes."""
    plain = Planted().texts
    return Planted(
        {kind: _shaped(kind, text, made) for (kind, text), made in zip(plain.items(), shape, strict=True)}
    )


def _shaped(kind: str, text: str, made: str) -> str:
    if kind in PLAIN | OF_THE_ENVIRONMENT:
        return text
    around = "".join(made.split()) if kind.endswith("_id") else made  # Mem0 refuses ids with spaces
    return f"{around}{secrets.token_hex(6)}{around}"


def stage_in(at: str, planted: Planted, receiver: CaptureServer, platform: PlatformStub) -> Recording:
    """Answer a stage below the directory `at`."""
    root = Path(at, planted["directory"])
    root.mkdir()
    Recording.printed.clear()
    return Recording(
        root=root,
        platform_url=platform.url,
        receiver_url=receiver.url,
        planted=planted,
        deadline=monotonic() + 120,
    )


@given(shape=st.lists(SHAPES, min_size=34, max_size=34))
@settings(max_examples=3, **FEW)
def test_nothing_that_is_planted_comes_out(shape: list[str]) -> None:
    """Texts of any characters and length, as any argument of any method, are in no request, file, output or log."""
    planted = planted_in(shape)
    with (
        CaptureServer() as receiver,
        CaptureServer() as refusing,
        PlatformStub() as platform,
        TemporaryDirectory() as at,
    ):
        refusing.answer_always(Answer(status=503))
        stage = stage_in(at, planted, receiver, platform)
        program = _on.program(stage, receiver, refusing)
        stage.run([program])
        checks = list(_on.checks(program, stage, receiver, refusing))
    assert [breach for check in checks for breach in check.breaches] == []
    assert len(receiver.events) > 200
    assert "34 planted texts, in 5 forms each" in checks[1].observed


@given(shape=st.lists(SHAPES, min_size=34, max_size=34))
@settings(max_examples=2, **FEW)
def test_nothing_that_is_planted_comes_out_by_grpc_or_on_a_terminal(shape: list[str]) -> None:
    """The same texts are in no call of gRPC, and in nothing that is printed on stdout, by `console`, or on stderr."""
    planted = planted_in(shape)
    with ExitStack() as stack:
        receiver = stack.enter_context(CaptureServer())
        platform = stack.enter_context(PlatformStub())
        grpc = stack.enter_context(GrpcReceiver())
        stage = stage_in(stack.enter_context(TemporaryDirectory()), planted, receiver, platform)
        choice = {
            "MEM0_TELEMETRY": "true",
            "MEM0_TELEMETRY_EXPORTER": "posthog,otlp,console",
            "MEM0_TELEMETRY_OTLP_ENDPOINT": grpc.url,
            "MEM0_TELEMETRY_OTLP_PROTOCOL": "grpc",
        }
        program = Program(home=stage.home("on"), settings=choice, thoroughly=True)
        stage.run([program])
        program.report()
        printed = stage.printed[0]
        places = [
            *(("a call of gRPC", call) for call in grpc.calls),
            ("stdout", printed.encode()),
            ("stderr", program.errors_path.read_bytes()),
            ("a log record", "\n".join(program.report()["logged"]).encode()),
        ]
    assert list(planted.found_in(places)) == []
    calls = b"".join(grpc.calls)
    missing = [event["uuid"] for event in receiver.events if event["uuid"].encode() not in calls]
    assert missing == []
    assert printed.count('"event_name"') == len(receiver.events) > 200


EVERY_METHOD = """
import inspect, json, os
from pathlib import Path
import mem0
from mem0.client.project import AsyncProject, Project
from mem0_telemetry.cli.verify._planting import use_mem0
from mem0_telemetry.cli.verify._secrets import Planted

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
use_mem0(Planted().texts, directory=Path("stores"), platform_url={url!r}, thoroughly=True)
print(json.dumps([len(expected), sorted(expected - called)]))
"""


def test_every_public_method_is_called(tmp_path: Path) -> None:
    """What plants the texts calls every public method that the installed Mem0 has, in all of its six classes."""
    with PlatformStub() as platform:
        code = EVERY_METHOD.replace("{url!r}", repr(platform.url))
        methods, never_called = report_of(code, clean_environ(tmp_path, MEM0_TELEMETRY="False"), timeout=180)
    assert methods > 80
    assert never_called == []

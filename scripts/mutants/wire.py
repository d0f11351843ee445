"""Check that the wire checks and `verify` detect builds that leak something, or do something while they are off.

    .venv/bin/python -m pytest scripts/mutants/wire.py    (part of `make mutants`)

Each build is broken by symbol (`tests/support/broken_build.py`); the case fails if the symbol no longer exists.
"""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.cli import verify
from mem0_telemetry.cli.harness.stage import open_stage
from mem0_telemetry.cli.harness.ways import WAYS
from support.broken_build import broken_build
from support.isolation import MARKER, run
from support.processes import clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mem0_telemetry.cli.harness.stage import Stage

REGISTRY_ONLY = (
    "mem0_telemetry.pipeline.selection",
    "Selection._resource = lambda self, found: found or Resource({})",
)
PROVIDER = "mem0_telemetry.pipeline.provider"
ISOLATION = "mem0_telemetry.delivery._isolation"
OTLP = "mem0_telemetry.pipeline.otlp"
SELECTED_AGAIN = """
    sound = Selection.__call__
    def call(self, record):
        selected = sound(self, record)
        selected.log_record.trace_id = record.log_record.trace_id
        selected.log_record.span_id = record.log_record.span_id
        return selected
    Selection.__call__ = call
"""
NAIVE: dict[str, tuple[str, str, dict[str, str]]] = {
    "Resource.create merges the application's resource": (
        f"{MARKER} is on our wire",
        "before",
        {
            PROVIDER: "made = Resource; Resource = lambda attributes, url: made.create(attributes)",
            REGISTRY_ONLY[0]: REGISTRY_ONLY[1],
        },
    ),
    "the SDK adds an id to every resource after a fork": (
        "the resource has a service.instance.id",
        "before",
        {
            PROVIDER: """
                record_of = ReadWriteLogRecord
                def ReadWriteLogRecord(record, *, resource, **others):
                    import sys
                    provider = sys._getframe(1).f_locals["self"].provider
                    return record_of(record, resource=provider.resource, **others)
            """,
            REGISTRY_ONLY[0]: REGISTRY_ONLY[1],
        },
    ),
    "stock OTLP exporters merge the application's headers": (
        f"{MARKER} is on our wire",
        "before",
        {
            OTLP: """
                build
                def build(config):
                    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
                    return OTLPLogExporter(endpoint=config.endpoint, headers=config.headers)
            """
        },
    ),
    "an empty context takes the current span's ids": (
        "an id of the application's trace is on our wire",
        "before",
        {
            PROVIDER: "NO_SPAN; NO_SPAN = Context()",
            "mem0_telemetry.delivery._threads": """
                from types import SimpleNamespace
                contextvars
                contextvars = SimpleNamespace(Context=lambda: SimpleNamespace(run=lambda target: target()))
            """,
            REGISTRY_ONLY[0]: SELECTED_AGAIN,
        },
    ),
    "HTTP instrumentations see the exporters' calls": (
        "the application sees port",
        "before",
        {ISOLATION: "_SUPPRESSION_KEYS; _SUPPRESSION_KEYS = ()"},
    ),
    "a global provider is everybody's": (
        "the global provider is ours",
        "after",
        {
            PROVIDER: """
                sound = PrivateProvider.__init__
                def init(self, *arguments):
                    sound(self, *arguments)
                    from opentelemetry import _logs
                    _logs.set_logger_provider(self.provider)
                PrivateProvider.__init__ = init
            """
        },
    ),
    "a provider reports itself to the global meter": (
        "our SDK counts on the application's meter",
        "before",
        {PROVIDER: "NoOpMeterProvider; NoOpMeterProvider = lambda: None"},
    ),
    "requests takes a password for any host out of a .netrc": (
        "a header of the application's is on our wire",
        "before",
        {
            OTLP: """
                import requests
                sound = _HTTPExporter.__init__
                def init(self, config):
                    def post(session, url, body, headers, **others):
                        requests.post(url, body, headers=headers)
                        return ours(session, url, body, headers, **others)
                    sound(self, config)
                    ours, self._post = self._post, post
                _HTTPExporter.__init__ = init
            """
        },
    ),
    "libraries log what we do": (
        "the application sees port",
        "before",
        {ISOLATION: "_here; _here = object"},
    ),
}
DEFECTS = {
    "thread": "__import__('threading').Thread(target=print, daemon=True).start()",
    "network": "__import__('socket').socket().close()",
    "network: socket.gethostname": "__import__('socket').gethostname()",
    "file": "open(__import__('os').path.join(__import__('os').environ['HOME'], 'left'), 'w').close()",
    "process": "__import__('subprocess').run(['true'])",
    "import": "__import__('opentelemetry.sdk._logs')",
    "hook": "__import__('atexit').register(print)",
    "a log record": "__import__('logging').getLogger('mem0_telemetry').debug('hello')",
}
BEFORE_EACH_EVENT = """
    sound = capture_event
    def capture_event(*arguments):
        {defect}
        return sound(*arguments)
"""
TYPES = "mem0_telemetry.policy.registry.types"
EACH_RECORD = """
    sound = OwnRecord.__init__
    def init(self, *given):
        {defect}
        sound(self, *given)
    OwnRecord.__init__ = init
"""
EACH_TEXT = "made = _enum; _enum = lambda *given: made(*given)._replace(select=lambda value: {value})"
LEAKS = {
    "a property that is not declared": (
        "mem0_telemetry.policy.registry._selection",
        """
            sound, sound_record = select, select_record
            def select(event, facts): return {**sound(event, facts), "x": "y"}
            def select_record(given, name): return {**sound_record(given, name), "x": "y"}
        """,
        "not declared",
    ),
    "a value that is not declared": (
        TYPES,
        EACH_TEXT.format(value="value"),
        "the planted message is in the body of a request",
    ),
    "a hash of a value": (
        TYPES,
        EACH_TEXT.format(
            value="value if len(value) == 32 else __import__('hashlib').md5(value.encode()).hexdigest()"
        ),
        "as MD5",
    ),
    "the name of the machine": (
        TYPES,
        EACH_TEXT.format(value="__import__('platform').node() if value == 'mem0' else value"),
        "the planted host_name is in",
    ),
    "the name of the user": (
        TYPES,
        EACH_TEXT.format(value="__import__('getpass').getuser() if value == 'mem0' else value"),
        "the planted user_name is in",
    ),
    "the application's resource": (
        REGISTRY_ONLY[0],
        "Selection._resource; Selection._resource = lambda self, found: Resource.create(dict(found.attributes))",
        "the planted otel_resource is in the file",
    ),
    "another address": (
        PROVIDER,
        EACH_RECORD.format(defect="__import__('socket').socket().connect_ex(('127.0.0.1', 9))"),
        "socket.connect",
    ),
    "another process": (
        PROVIDER,
        EACH_RECORD.format(defect="__import__('subprocess').run(['true'])"),
        "subprocess.Popen",
    ),
    "a file elsewhere": (
        PROVIDER,
        EACH_RECORD.format(defect="open(__import__('os').path.expanduser('~/left'), 'w').close()"),
        "the file left was made",
    ),
}


@pytest.fixture(autouse=True)
def _clean_environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the environment to a user's, with a temporary home and without coverage."""
    kept = clean_environ(tmp_path)
    for name in [*os.environ]:
        if name not in kept or name.startswith("COV"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("fact", NAIVE)
def test_naive_code_is_found_out(fact: str, tmp_path: Path) -> None:
    """Each leak of a naive implementation is detected."""
    breach, order, changes = NAIVE[fact]
    outcome = run(tmp_path, order, "fork", package=broken_build(tmp_path, changes))
    assert any(found.startswith(breach) for found in outcome.breaches()), outcome.breaches()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Yield a stage for watched programs, with fake servers."""
    with open_stage(300) as opened:
        yield opened


def break_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, code: str) -> None:
    """Break the package in the programs that `verify` watches; they run without mem0ai."""
    monkeypatch.setenv("PYTHONPATH", str(broken_build(tmp_path, {module: code}, without_mem0=True)))


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_build_that_does_anything_when_off_is_found_out(
    kind: str, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread, socket, file, process, heavy import, exit hook or log record of ours is a breach of its kind."""
    code = textwrap.dedent(BEFORE_EACH_EVENT).format(defect=DEFECTS[kind])
    break_it(tmp_path, monkeypatch, "mem0_telemetry.telemetry", code)
    program = stage.program(WAYS[0])
    stage.run([program])
    breaches = program.done()
    assert any(breach.startswith(kind) for breach in breaches), breaches


@pytest.mark.parametrize("leak", LEAKS)
def test_a_build_that_lets_something_out_is_found_out(
    leak: str, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undeclared field or value, a hash, an application's setting, another address, process or file is a breach."""
    module, code, named = LEAKS[leak]
    break_it(tmp_path, monkeypatch, module, code)
    program = verify.program_on(stage)
    stage.run([program])
    breaches = [breach for check in verify.checks_on(program, stage) for breach in check.breaches]
    assert any(named in breach for breach in breaches), breaches

"""The drop-in for `mem0.memory.telemetry`: Mem0's own opt-out tests, the names of Mem0's module, and bad input."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock, patch

import pytest

from mem0_telemetry import telemetry
from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog.testing import CaptureServer


@pytest.fixture
def mem0_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import Mem0: only then does the drop-in supply every name of Mem0's own module."""
    monkeypatch.setenv("MEM0_TELEMETRY", "False")  # opts out Mem0's own module, which is loaded too
    importlib.import_module("mem0.memory")


class TestDisabled:
    """Mem0's own opt-out tests, against the drop-in."""

    @pytest.mark.usefixtures("mem0_loaded")
    def test_posthog_is_not_created(self) -> None:
        """`AnonymousTelemetry()` builds no PostHog client, and has no handle and no id."""
        with (
            patch.object(telemetry, "MEM0_TELEMETRY", new=False),
            patch.object(telemetry, "Posthog") as mock_posthog,
        ):
            anonymous = telemetry.AnonymousTelemetry()
            mock_posthog.assert_not_called()
            assert anonymous.posthog is None
            assert anonymous.user_id is None

    def test_capture_event_does_nothing(self) -> None:
        """`capture_event` returns without touching a singleton or the instance."""
        memory = MagicMock()
        with patch.object(telemetry, "MEM0_TELEMETRY", new=False):
            telemetry.capture_event("test.event", memory)
        assert telemetry._oss_telemetry_instance is None
        assert memory.mock_calls == []

    def test_capture_client_event_does_nothing(self) -> None:
        """`capture_client_event` returns without touching the client telemetry."""
        client_telemetry = MagicMock()
        with (
            patch.object(telemetry, "MEM0_TELEMETRY", new=False),
            patch.object(telemetry, "client_telemetry", client_telemetry),
        ):
            telemetry.capture_client_event("test.event", MagicMock())
        client_telemetry.capture_event.assert_not_called()

    def test_instance_does_nothing(self) -> None:
        """`capture_event` of a disabled `AnonymousTelemetry` does nothing, and `close` can be called twice."""
        with patch.object(telemetry, "MEM0_TELEMETRY", new=False):
            anonymous = telemetry.AnonymousTelemetry()
            anonymous.capture_event("test.event", {"key": "value"})
            anonymous.close()
            anonymous.close()
        assert anonymous.posthog is None

    def test_no_threads(self) -> None:
        """A disabled `AnonymousTelemetry` starts no thread."""
        before = threading.active_count()
        with patch.object(telemetry, "MEM0_TELEMETRY", new=False):
            telemetry.AnonymousTelemetry()
        assert threading.active_count() == before

    def test_no_id(self) -> None:
        """`get_or_create_user_id` returns None, and does not touch the vector store."""
        store = MagicMock()
        with patch.object(telemetry, "MEM0_TELEMETRY", new=False):
            assert telemetry.get_or_create_user_id(store) is None
        assert store.mock_calls == []

    def test_off_by_default_under_pytest(self, tmp_path: Path, server: CaptureServer) -> None:
        """Under pytest telemetry is off by default: nothing is recorded, without any setting."""
        code = """
            import json, mem0_telemetry
            from mem0_telemetry import telemetry
            print(json.dumps([
                telemetry.MEM0_TELEMETRY, telemetry.AnonymousTelemetry().posthog, mem0_telemetry.status().source
            ]))
        """
        environ = posthog_environ(tmp_path, server.url, PYTEST_VERSION="9")
        assert report_of(code, environ) == [True, None, "PYTEST_VERSION"]


class TestNames:
    """Each name of Mem0's module exists in the drop-in."""

    @pytest.mark.usefixtures("mem0_loaded")
    def test_every_public_name_of_the_installed_release(self) -> None:
        """Each function, class and constant of the installed release exists here, with the same parameters."""
        spec = importlib.util.find_spec("mem0")
        assert spec is not None
        assert spec.origin is not None
        source = (Path(spec.origin).parent / "memory" / "telemetry.py").read_text()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert hasattr(telemetry, node.name)
            if isinstance(node, ast.FunctionDef) and node.name in telemetry.__all__:
                ours = getattr(telemetry, node.name).__code__
                assert [argument.arg for argument in node.args.args] == list(
                    ours.co_varnames[: ours.co_argcount]
                )
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                assert hasattr(telemetry, node.targets[0].id)

    def test_constants_are_mem0s(self) -> None:
        """The project key and the host are those of the installed release."""
        spec = importlib.util.find_spec("mem0")
        assert spec is not None
        assert spec.origin is not None
        source = (Path(spec.origin).parent / "memory" / "telemetry.py").read_text()
        assert f'PROJECT_API_KEY = "{telemetry.PROJECT_API_KEY}"' in source
        assert f'HOST = "{telemetry.HOST}"' in source

    def test_unknown_dunder_is_missing(self) -> None:
        """A dunder name that we do not have raises `AttributeError`, even if Mem0's module has it."""
        with pytest.raises(AttributeError):
            telemetry.__path__  # noqa: B018

    def test_unknown_name_is_missing_when_mem0_has_none(self) -> None:
        """A name that Mem0's module does not have either raises an ordinary `AttributeError`."""
        with pytest.raises(AttributeError, match="no_such_name"):
            telemetry.no_such_name  # noqa: B018

    def test_reload_keeps_the_flag(self) -> None:
        """`importlib.reload` keeps a flag that the application has written."""
        with patch.object(telemetry, "MEM0_TELEMETRY", new=False):
            importlib.reload(telemetry)
            assert telemetry.MEM0_TELEMETRY is False


class TestEnabled:
    """Telemetry switched on, in a process of its own."""

    def test_handle_and_identify(self, tmp_path: Path, server: CaptureServer) -> None:
        """The handle is inert, `capture_identify` returns False, and the id exists after the first recorded event."""
        code = """
            import json, mem0_telemetry
            from mem0_telemetry import telemetry
            anonymous = telemetry.AnonymousTelemetry(vector_store=object(), before_send=print)
            before = anonymous.user_id
            anonymous.posthog.capture("x", distinct_id="y")
            anonymous.posthog.flush()
            anonymous.posthog.shutdown()
            assert not hasattr(anonymous.posthog, "feature_enabled")  # a caller that asks for a feature flag gets none
            refused = anonymous.capture_identify("anonymous", "someone@example.com")
            anonymous.capture_event("mem0.reset", {"sync_type": "sync"}, user_email="someone@example.com", flags=1)
            done = mem0_telemetry.flush(60)
            print(json.dumps([before, refused, done, anonymous.user_id]))
        """
        before, refused, done, user_id = report_of(code, posthog_environ(tmp_path, server.url))
        assert (before, refused, done) == (None, False, True)
        assert [(event["event"], event["distinct_id"]) for event in server.events] == [
            ("mem0.reset", user_id)
        ]
        assert all(b"example.com" not in request.body for request in server.requests)

    def test_user_id_in_a_real_vector_store(self, tmp_path: Path, server: CaptureServer) -> None:
        """`get_or_create_user_id(store)` stores the id in an embedded Qdrant as Mem0 does; opted out it does not."""
        code = """
            import json
            from qdrant_client import QdrantClient
            from mem0.vector_stores.qdrant import Qdrant
            from mem0_telemetry import telemetry
            store = Qdrant("ids", 4, client=QdrantClient(":memory:"))
            made = telemetry.get_or_create_user_id(store)
            again = telemetry.get_or_create_user_id(store)
            stored = [(p.id, p.payload) for p in store.list()[0]]
            print(json.dumps([made, again, telemetry.get_or_create_user_id(), stored]))
        """
        store_of = {"MEM0_DIR": str(tmp_path / "on")}
        made, again, bare, stored = report_of(
            code.replace('Qdrant("ids", 4', 'Qdrant("ids", 1536'),
            posthog_environ(tmp_path, server.url, **store_of),
        )
        assert made == again == bare
        assert stored == [[made, {"user_id": made, "type": "user_identity"}]]
        off = posthog_environ(tmp_path, server.url, MEM0_DIR=str(tmp_path / "off"), MEM0_TELEMETRY="no")
        assert report_of(code, off) == [None, None, None, []]
        assert server.requests == []


HOSTILE = {
    "no attributes": "object()",
    "slots": "type('Slots', (), {'__slots__': ('vector_store',)})()",
    "properties that raise": "type('Raises', (), {n: property(lambda s: 1/0) for n in NAMES})()",
    "properties that block": "type('Blocks', (), {n: property(lambda s: BLOCK.wait()) for n in NAMES})()",
    "__getattr__ that raises": "type('Getattr', (), {'__getattr__': lambda s, n: 1/0})()",
    "__getattribute__ that raises": "type('All', (), {'__getattribute__': lambda s, n: 1/0})()",
    "evil values": "with_fields(vector_store=Evil(), llm=Evil(), embedding_model=Evil(), api_version=Evil())",
    "a class": "int",
    "None": "None",
}
ADDITIONAL = {
    "None": "None",
    "a list": "[1, 2]",
    "a string": "'text'",
    "unknown keys": "{f'key{i}': i for i in range(100_000)}",
    "cyclic": "CYCLE",
    "huge": "{'keys': ['x'] * 1_000_000, 'sync_type': 'y' * 10_000_000}",
    "wrong types": "{'keys': 7, 'sync_type': None, 'limit': 'many', 'threshold': [], 'version': object()}",
    "keys that raise": "{Evil(): 1}",
    "a dict subclass": "type('Dict', (dict,), {'keys': lambda s: 1/0, '__iter__': lambda s: 1/0})(a=1)",
    "surrogates": "{'sync_type': chr(0xD800), 'keys': [chr(0), chr(0xDFFF)]}",
}
_PRELUDE = """
import json, logging, threading, mem0_telemetry
from mem0_telemetry import telemetry
NAMES = ("vector_store", "llm", "embedding_model", "api_version", "collection_name", "config", "graph", "__dict__")[:7]
BLOCK = threading.Event()
CYCLE = {}
CYCLE["keys"] = CYCLE
class Evil:
    __eq__ = __str__ = __repr__ = __bool__ = __len__ = __iter__ = __getattr__ = lambda *a: 1 / 0
    __hash__ = lambda s: hash("sync_type")
class Plain: pass
def with_fields(**fields):
    plain = Plain()
    plain.__dict__.update(fields)
    return plain
"""


class TestBadInput:
    """For any argument, `capture_*` does not raise, does not print and does not run the caller's code."""

    def run(self, body: str, tmp_path: Path, server: CaptureServer) -> Any:
        """Run `body` after the prelude, with telemetry on."""
        return report_of(_PRELUDE + body, posthog_environ(tmp_path, server.url), timeout=180)

    def test_hostile_instances(self, tmp_path: Path, server: CaptureServer) -> None:
        """Each hostile instance yields one event of each kind, and none of its code is run."""
        calls = "\n".join(
            f"telemetry.capture_event('mem0.add', {instance}, {{'sync_type': 'sync'}})\n"
            f"telemetry.capture_client_event('client.add', {instance}, {{'sync_type': 'async'}})"
            for instance in HOSTILE.values()
        )
        done = self.run(f"{calls}\nprint(json.dumps(mem0_telemetry.flush(60)))", tmp_path, server)
        assert done is True
        assert len(server.events) == 2 * len(HOSTILE)

    def test_hostile_data(self, tmp_path: Path, server: CaptureServer) -> None:
        """Each hostile `additional_data` yields one event, with only declared attributes of the declared types."""
        calls = "\n".join(
            f"telemetry.capture_event('mem0.search', Plain(), {data})" for data in ADDITIONAL.values()
        )
        done = self.run(f"{calls}\nprint(json.dumps(mem0_telemetry.flush(60)))", tmp_path, server)
        assert done is True
        assert len(server.events) == len(ADDITIONAL)
        assert {event["properties"].get("sync_type") for event in server.events} <= {None, "other"}

    def test_unknown_events_are_dropped_and_counted(self, tmp_path: Path, server: CaptureServer) -> None:
        """An event whose name the registry does not know, of any type, is dropped, and counted in `status()`."""
        body = """
for name in ("mem0.unheard", "", None, 7, [], "$identify", "x" * 10_000_000):
    telemetry.capture_event(name, Plain(), {})
telemetry.capture_event("mem0.init", Plain(), {})
telemetry.capture_event("another", Plain(), {})
mem0_telemetry.flush(60)
print(json.dumps(dict(mem0_telemetry.status().dropped)))
"""
        assert self.run(body, tmp_path, server) == {"unknown_event": 8}
        assert [event["event"] for event in server.events] == ["mem0.init"]

    def test_hostile_calls_log_only_at_debug(self, tmp_path: Path, server: CaptureServer) -> None:
        """Even with every logger at DEBUG, a hostile call logs only at DEBUG, and only on our own logger."""
        server.stop()
        body = """
heard = []
class Recorder(logging.Handler):
    def emit(self, record):
        heard.append((record.name, record.levelno))
logging.getLogger().addHandler(Recorder())
logging.getLogger().setLevel(logging.DEBUG)
telemetry.capture_event("mem0.add", Evil(), CYCLE)
telemetry.capture_event(Evil(), Evil(), Evil())
mem0_telemetry.flush(3)
print(json.dumps(heard))
"""
        heard = self.run(body, tmp_path, server)
        assert {tuple(record) for record in heard} <= {("mem0_telemetry", 10)}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x00\xff", b'{"user_id": 7}', None])
def test_invalid_config_is_ignored_and_kept(
    content: bytes | None, tmp_path: Path, server: CaptureServer
) -> None:
    """For any invalid `config.json`, a directory included, events are recorded under an id; the file is not changed."""
    config = tmp_path / ".mem0" / "config.json"
    config.parent.mkdir()
    if content is None:
        config.mkdir()
    else:
        config.write_bytes(content)
    code = """
        import mem0_telemetry
        from mem0_telemetry import telemetry
        telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        print(str(mem0_telemetry.flush(60)).lower())
    """
    assert report_of(code, posthog_environ(tmp_path, server.url)) is True
    assert len(server.events) == 1
    assert config.is_dir() if content is None else config.read_bytes() == content

"""Values that the application put in place of Mem0's telemetry stay. Each test runs real Mem0 in a separate process."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, report_of, run_program

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

PROGRAM = """
import functools, json, os, sys, types
from unittest.mock import MagicMock, Mock
os.environ["MEM0_TELEMETRY"] = "False"
import mem0.memory.main, mem0.memory.notices, mem0.client.main, mem0_telemetry  # with all that they import
import opentelemetry.sdk._logs, posthog, requests
del os.environ["MEM0_TELEMETRY"]
for name in [name for name in sys.modules if name.split(".")[0] in ("mem0", "mem0_telemetry")]:
    del sys.modules[name]
noop = lambda *a, **k: None
def wrapper_of(function):
    return functools.wraps(function)(lambda *a, **k: function(*a, **k))
class Stub:
    posthog = user_id = None
    def __init__(self, *a, **k): pass
    capture_event = capture_identify = close = noop

def play(number, setup, before):
    os.environ.update(MEM0_DIR=os.environ["HOME"] + f"/{number}", MEM0_TELEMETRY_POSTHOG_API_KEY=f"phc_{number}")
    import mem0_telemetry
    if before:
        mem0_telemetry.instrument()
    import mem0, mem0.memory.notices
    import mem0.memory.main as main, mem0.client.main as client
    from mem0.memory import telemetry
    names = {**globals(), **locals()}
    exec(setup, names)
    where = names["WHERE"] if isinstance(names["WHERE"], dict) else vars(names["WHERE"])
    mine, kept = where[names["NAME"]], []
    memory = type("Memory", (), {"api_version": "v1.1", "user_email": None})()
    for step in ("instrument", "instrument", "uninstrument", "instrument", "uninstrument"):
        getattr(mem0_telemetry, step)()
        kept.append(where[names["NAME"]] is mine)
        if step == "instrument":
            main.capture_event("mem0.init", memory, {})
            client.capture_client_event("client.init", memory, {})
            told = mem0_telemetry.status().not_replaced
    return [all(kept), mem0_telemetry.flush(60), *told]

for number, (setup, before) in enumerate(json.loads(sys.stdin.read())):
    if os.fork() == 0:
        answer = ["failed"]
        try:
            answer = play(number, setup, before)
        finally:
            print(json.dumps(answer), flush=True)
            os._exit(0)
    os.wait()
"""
FUNCTION = "main.capture_event = {}; WHERE, NAME = main, 'capture_event'"
MODULE = "telemetry.{0} = {1}; WHERE, NAME = telemetry, '{0}'"
SETUPS = {
    "a function": (FUNCTION.format("noop"), "client.init", "memory.main.capture_event"),
    "a mock": (FUNCTION.format("MagicMock()"), "client.init", "memory.main.capture_event"),
    "a partial": (FUNCTION.format("functools.partial(noop, 1)"), "client.init", "memory.main.capture_event"),
    "a wrapper": (
        FUNCTION.format("wrapper_of(main.capture_event)"),
        "client.init",
        "memory.main.capture_event",
    ),
    "a function of the hosted client": (
        "client.capture_client_event = noop; WHERE, NAME = client, 'capture_client_event'",
        "mem0.init",
        "client.main.capture_client_event",
    ),
    "the client": (
        "client.client_telemetry = Stub(); WHERE, NAME = client, 'client_telemetry'",
        "mem0.init client.init",
        "client.main.client_telemetry",
    ),
    "the notices' module": (
        "mem0.memory.notices.telemetry_module = Mock(); WHERE, NAME = mem0.memory.notices, 'telemetry_module'",
        "mem0.init client.init",
        "memory.notices.telemetry_module",
    ),
    "a function of the module": (
        MODULE.format("capture_event", "noop"),
        "mem0.init client.init",  # `mem0.memory.main` imported Mem0's own function earlier, and would send
        "memory.telemetry.capture_event",
    ),
    "the class": (
        MODULE.format("AnonymousTelemetry", "Stub"),
        "client.init",
        "memory.telemetry.AnonymousTelemetry",
    ),
    "the getter": (
        MODULE.format("_get_oss_telemetry", "noop"),
        "client.init",
        "memory.telemetry._get_oss_telemetry",
    ),
    "the module's client": (
        MODULE.format("client_telemetry", "Stub()"),
        "mem0.init",
        "memory.telemetry.client_telemetry",
    ),
    "a method of the class": (
        "cls = telemetry.AnonymousTelemetry; cls.capture_event = noop; WHERE, NAME = cls, 'capture_event'",
        "",
        "client.main.client_telemetry memory.telemetry.AnonymousTelemetry memory.telemetry.client_telemetry",
    ),
    "a method of the module's client": (
        "one = telemetry.client_telemetry; one.capture_event = noop; WHERE, NAME = one, 'capture_event'",
        "mem0.init",
        "client.main.client_telemetry memory.telemetry.client_telemetry",
    ),
    "no PostHog client": (
        "one = telemetry.client_telemetry; one.posthog = None; WHERE, NAME = one, 'posthog'",
        "mem0.init",
        "client.main.client_telemetry memory.telemetry.client_telemetry",
    ),
    "a method of the PostHog client": (
        "one = telemetry.client_telemetry.posthog; one.capture = noop; WHERE, NAME = one, 'capture'",
        "mem0.init",
        "client.main.client_telemetry memory.telemetry.client_telemetry",
    ),
    "a disabled PostHog client": (
        "one = telemetry.client_telemetry.posthog; one.disabled = True; WHERE, NAME = one, 'disabled'",
        "mem0.init",
        "client.main.client_telemetry memory.telemetry.client_telemetry",
    ),
    "the module": (
        "sys.modules['mem0.memory.telemetry'] = Mock(); WHERE, NAME = sys.modules, 'mem0.memory.telemetry'",
        "mem0.init client.init",
        "memory.telemetry",
    ),
    "the module's attribute": (
        "mem0.memory.telemetry = types.ModuleType('x'); WHERE, NAME = mem0.memory, 'telemetry'",
        "mem0.init client.init",
        "memory.telemetry",
    ),
}


def test_a_value_of_the_application_is_never_replaced(tmp_path: Path, server: CaptureServer) -> None:
    """The application's value stays through `instrument()` and `uninstrument()`, and `status()` names its place.

    Events that it silences are not sent; every other place is replaced as usual.
    """
    cases = [(setup, before) for setup in SETUPS for before in (True, False)]
    environ = posthog_environ(tmp_path, server.url)
    given = json.dumps([(SETUPS[setup][0], before) for setup, before in cases])
    command = [sys.executable, "-c", "from support import loopback_only\n" + PROGRAM]
    result = run_program(command, environ, given=given)
    lines = result.stdout.splitlines()
    assert len(lines) == len(cases), result.stderr
    wrong = []
    for number, ((setup, before), line) in enumerate(zip(cases, lines, strict=True)):
        _, sent, told = SETUPS[setup]
        if setup == "a wrapper" and before:  # it wraps our function
            sent = "mem0.init client.init"
        requests = [r.json() for r in server.requests]
        arrived = {e["event"] for r in requests if r["api_key"] == f"phc_{number}" for e in r["batch"]}
        names = [f"mem0.{name}" for name in told.split()]
        if json.loads(line) != [True, True, *names] or arrived != set(sent.split()):
            wrong.append((setup, before, line, arrived))
    assert wrong == []


def test_an_earlier_no_op_reaches_later_imports(tmp_path: Path, server: CaptureServer) -> None:
    """A no-op in Mem0's telemetry module reaches modules that import it later, as it does without this package."""
    code = """
        import json
        from mem0.memory import telemetry
        noop = telemetry.capture_event = lambda *a, **k: None
        import sys
        for name in [name for name in sys.modules if name == "mem0.memory.main"]:
            del sys.modules[name]
        import mem0_telemetry
        mem0_telemetry.instrument()
        import mem0.memory.main as main
        print(json.dumps([main.capture_event is noop, sys.modules["mem0.memory.telemetry"].capture_event is noop]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url), listening=False) == [True, True]


def test_a_no_op_in_the_drop_in_survives_uninstrument(tmp_path: Path) -> None:
    """A no-op written to `mem0.memory.telemetry` while instrumented is in Mem0's own module after `uninstrument()`."""
    code = """
        import json, mem0_telemetry
        mem0_telemetry.instrument()
        from mem0.memory import telemetry
        noop = telemetry.capture_event = lambda *a, **k: None
        mem0_telemetry.uninstrument()
        import mem0, sys
        print(json.dumps([mem0.memory.telemetry.capture_event is noop, sys.modules[
            "mem0.memory.telemetry"] is not telemetry]))
    """
    assert report_of(code, posthog_environ(tmp_path, "http://127.0.0.1:9"), listening=False) == [True, True]


NATIVE = """
import atexit, functools, importlib, json, sys
import posthog
clients = []
class Local(posthog.Posthog):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "host": "http://127.0.0.1:9"})
        clients.append(self)
posthog.Posthog = Local
import mem0
import mem0.memory.main as main
from mem0.memory import telemetry as native
memory = type("Memory", (), {"collection_name": "c", "api_version": "v1.1"})()
"""


@pytest.mark.parametrize("off", ["DO_NOT_TRACK", ""])
def test_a_tracers_wrapper_reaches_a_closed_client(off: str, tmp_path: Path, server: CaptureServer) -> None:
    """If a tracer wraps Mem0's function, the native client is closed, and Mem0's flag is off whenever ours is."""
    code = f"""{NATIVE}
native._get_oss_telemetry().posthog.capture("x", distinct_id="y")
calls, inner = [], main.capture_event
@functools.wraps(inner)
def traced(*a, **k):
    calls.append(a)
    return inner(*a, **k)
main.capture_event = native.capture_event = traced
import mem0_telemetry
mem0_telemetry.instrument()
main.capture_event("mem0.init", memory)
flags = [native.MEM0_TELEMETRY]
for value in (False, True):
    mem0_telemetry.set_enabled(value)
    flags.append(native.MEM0_TELEMETRY)
print(json.dumps([
    main.capture_event is traced, len(calls), flags, len(clients), [c.disabled for c in clients],
    sum(lane.queue.qsize() for c in clients for lane in (getattr(c, "_lanes", None) or [c])),
]))
"""
    environ = posthog_environ(tmp_path, server.url, **({off: "1"} if off else {}))
    flags = [False] * 3 if off else [True, False, True]
    assert report_of(code, environ, listening=False) == [True, 1, flags, 2, [True] * 2, 0]
    assert server.events == []


def test_values_from_before_a_reload_are_replaced(tmp_path: Path, server: CaptureServer) -> None:
    """After `importlib.reload` of Mem0's module, `instrument()` also replaces old functions and closes old clients."""
    code = f"""{NATIVE}
native._get_oss_telemetry()
importlib.reload(native)
import mem0_telemetry
mem0_telemetry.instrument()
main.capture_event("mem0.init", memory)
done = mem0_telemetry.flush(60)
from mem0_telemetry import telemetry as ours
import mem0.client.main as client
print(json.dumps([
    done, main.capture_event is ours.capture_event, client.client_telemetry is ours.client_telemetry,
    len(clients), [c.disabled for c in clients], list(mem0_telemetry.status().not_replaced),
]))
"""
    found = report_of(code, posthog_environ(tmp_path, server.url), listening=False)
    assert found == [True, True, True, 3, [True] * 3, []]
    assert [event["event"] for event in server.events] == ["mem0.init"]


@pytest.mark.parametrize("entry", ["del {0}", "{0} = None", "{0} = type(sys)('stub')"])
@pytest.mark.parametrize("lost", ["", "native.client_telemetry.posthog = None"])
def test_a_module_missing_from_sys_modules_is_found(
    entry: str, lost: str, tmp_path: Path, server: CaptureServer
) -> None:
    """Mem0's module without an entry in `sys.modules` still has its client closed and its flag read.

    The same holds for a module that no longer holds its client.
    """
    code = f"""{NATIVE}
{lost}
{entry.format("sys.modules['mem0.memory.telemetry']")}
import mem0_telemetry
mem0_telemetry.instrument()
native.MEM0_TELEMETRY = False
main.capture_event("mem0.init", memory)
print(json.dumps([[c.disabled for c in clients], mem0_telemetry.flush(60), mem0_telemetry.status().enabled]))
"""
    found = report_of(code, posthog_environ(tmp_path, server.url), listening=False)
    assert found == [[True], True, False]
    assert server.events == []


def test_another_copy_of_the_package_is_replaced(tmp_path: Path, server: CaptureServer) -> None:
    """A second copy of this package replaces the first one, and restores Mem0's own names."""
    code = """
        import json, sys
        import mem0.memory.main as main
        from mem0.memory import telemetry as native
        import mem0_telemetry
        mem0_telemetry.instrument()
        first = main.capture_event
        for name in [name for name in sys.modules if name.startswith("mem0_telemetry")]:
            del sys.modules[name]
        sys.meta_path[:] = [finder for finder in sys.meta_path if "mem0_telemetry" not in type(finder).__module__]
        import mem0_telemetry as second
        second.instrument()
        from mem0_telemetry import telemetry
        replaced = main.capture_event is telemetry.capture_event is not first
        told = second.status().not_replaced
        second.uninstrument()
        print(json.dumps([
            replaced, list(told), main.capture_event.__module__, sys.modules["mem0.memory.telemetry"].__name__,
        ]))
    """
    found = report_of(code, posthog_environ(tmp_path, server.url), listening=False)
    assert found == [True, [], "mem0.memory.telemetry", "mem0.memory.telemetry"]


@pytest.mark.parametrize("before", [True, False], ids=["instrumented before", "instrumented after"])
@pytest.mark.parametrize("during", [True, False], ids=["during", "earlier"])
def test_a_false_of_the_application_stays(before: bool, during: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """`MEM0_TELEMETRY = False` in `mem0.memory.main` stays after `uninstrument()`, whenever it was written."""
    instrument = "import mem0_telemetry; mem0_telemetry.instrument()"
    write = "import mem0.memory.main as main; main.MEM0_TELEMETRY = False"
    code = f"""
        import json
        {instrument if before else "import mem0.memory.main"}
        {"pass" if during else write}
        {instrument}
        {write if during else "pass"}
        mem0_telemetry.uninstrument()
        import mem0.memory.main as main
        print(json.dumps([main.MEM0_TELEMETRY, main.capture_event.__module__]))
    """
    found = report_of(code, posthog_environ(tmp_path, "http://127.0.0.1:9"), listening=False)
    assert found == [False, "mem0.memory.telemetry"]


MOCKS = (
    "m = MagicMock(); sys.modules.update({n: m for n in ('mem0', 'mem0.memory', 'mem0.memory.telemetry', MAIN)})",
    "sys.modules['mem0'] = None",
    "sys.modules['mem0.memory.telemetry'] = sys.modules[MAIN] = None",
    "t = types.ModuleType('mem0.memory.telemetry'); sys.modules['mem0.memory.telemetry'] = t",
    "sys.modules['mem0.memory.telemetry'] = object()",
    "sys.modules['mem0.memory'] = types.SimpleNamespace(); sys.modules[MAIN] = Mock(spec=types.ModuleType)",
)


@pytest.mark.parametrize("setup", MOCKS)
def test_mocks_in_place_of_mem0(setup: str, tmp_path: Path) -> None:
    """If Mem0's modules are mocks, no public function raises or prints anything, and the mocks stay."""
    code = f"""
        import json, sys, types
        from unittest.mock import MagicMock, Mock
        MAIN = "mem0.memory.main"
        {setup}
        held = {{name: value for name, value in sys.modules.items() if name.startswith("mem0.") or name == "mem0"}}
        import mem0_telemetry
        mem0_telemetry.instrument()
        mem0_telemetry.instrument()
        enabled = mem0_telemetry.status().enabled
        mem0_telemetry.uninstrument()
        print(json.dumps([enabled, all(sys.modules.get(name) is value for name, value in held.items())]))
    """
    environ = posthog_environ(tmp_path, "http://127.0.0.1:9")
    assert report_of(code, environ) == [True, True]

"""`verify` passes a sound build and detects each kind of broken build."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.cli import verify
from mem0_telemetry.cli.harness.planted import forms_of, found_in, new_texts
from mem0_telemetry.cli.harness.watch import Watch, is_ours
from mem0_telemetry.cli.harness.ways import WAYS
from opentelemetry.exporter.posthog.testing import CaptureServer
from support.processes import clean_environ

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mem0_telemetry.cli.harness.stage import Stage
    from mem0_telemetry.cli.harness.ways import Way


PATIENTLY = """
import sys
from mem0_telemetry.cli import verify
sys.exit(verify.run(seconds=600.0))  # this machine may be busy
"""


@pytest.mark.timeout(700)
def test_a_sound_build_passes(tmp_path: Path) -> None:
    """Real Mem0 passes every check, and the user's home stays unchanged."""
    environ = clean_environ(tmp_path)
    unmeasured = {name: value for name, value in environ.items() if not name.startswith("COV")}
    result = subprocess.run(
        [sys.executable, "-c", PATIENTLY],
        env=unmeasured,
        capture_output=True,
        text=True,
        timeout=690,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert f"  {len(WAYS) + 1} of {len(WAYS) + 1} programs have ended" in result.stdout
    assert result.stdout.count("  ok  ") == len(WAYS) + 1 + 4
    assert "As promised: 13 of 13 checks passed" in result.stdout
    assert "Mem0 2." in result.stdout
    assert result.stderr == ""
    assert list(tmp_path.iterdir()) == []


OBEYS_ALL_BUT_ONE = """
sound = decide
def decide(environ, **others):
    return sound({name: value for name, value in environ.items() if name != "DO_NOT_TRACK"}, **others)
"""


def test_a_build_that_ignores_a_switch_is_found_out(
    stage: Stage, break_build: Callable[[dict[str, str]], None]
) -> None:
    """A switch that switches nothing off is a breach."""
    break_build({"mem0_telemetry.policy.consent": OBEYS_ALL_BUT_ONE})
    ways = {way.shown: way for way in WAYS}
    ignored, obeyed = switched_off(stage, ways["DO_NOT_TRACK=1"], ways["MEM0_TELEMETRY=False"])
    assert ignored
    assert not obeyed


@pytest.mark.usefixtures("uncompiled")
def test_a_build_without_byte_code_is_sound(stage: Stage) -> None:
    """Byte code that Python writes for a package installed without any is not a breach."""
    assert switched_off(stage, WAYS[0]) == [[]]


def test_nothing_goes_through_a_proxy(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the user's environment, in upper or lower case, receives nothing, and Mem0 works."""
    with CaptureServer() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "grpc_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "intranet.example")
        assert switched_off(stage, WAYS[0]) == [[]]
        assert switched_on(stage) == []
        assert proxy.requests == []


def switched_off(stage: Stage, *ways: Way) -> list[list[str]]:
    """Return, for each way to switch off, the breaches of a session."""
    programs = [stage.program(way) for way in ways]
    stage.run(programs)
    return [program.done() for program in programs]


def switched_on(stage: Stage) -> list[str]:
    """Return the breaches of a session that is switched on."""
    program = verify.program_on(stage)
    stage.run([program])
    return [breach for check in verify.checks_on(program, stage) for breach in check.breaches]


def test_a_build_that_cannot_run_is_no_success(
    stage: Stage, break_build: Callable[[dict[str, str]], None]
) -> None:
    """If a watched program fails, its promise is unchecked and the reason is the program's last line."""
    break_build({"mem0_telemetry.telemetry": "raise SystemExit('broken')"})
    program = stage.program(WAYS[0])
    stage.run([program])
    check = verify.check_off(program)
    assert (check.breaches, check.unchecked) == ((), "the program failed: broken")


def test_every_form_of_a_planted_text_is_found() -> None:
    """A planted text is found in plain text (in any case), hashed and encoded, and the breach names the place."""
    planted = new_texts()
    for form, needle in forms_of(planted["user_id"]):
        (breach,) = found_in([("a place", b"before " + needle + b" after")], planted)
        assert breach == f"the planted user_id is in a place, as {form}"
    assert list(found_in([("a place", planted["user_id"].upper().encode())], planted))
    assert not list(found_in([("a place", b"nothing of it")], planted))


@pytest.mark.parametrize(
    ("event", "arguments", "kind"),
    [
        ("socket.connect", (None, ("127.0.0.1", 9)), "network"),
        ("socket.getaddrinfo", ("example.org", 80, 0, 0, 0), "network"),
        ("socket.gethostbyaddr", ("127.0.0.1",), "network"),
        ("socket.getnameinfo", (("127.0.0.1", 9),), "network"),
        ("subprocess.Popen", ("true", ["true"], None, None), "process"),
        ("os.fork", (), "process"),
        ("_thread.start_new_thread", (print, (), None), "thread"),
        ("os.mkdir", ("x", 0o777, -1), "file"),
        ("open", ("x", "w", os.O_WRONLY | os.O_CREAT), "file"),
        ("open", ("x", None, os.O_RDWR), "file"),
        ("open", ("/mem0/telemetry/state.json", "r", os.O_RDONLY), "read"),
        ("open", ("/etc/hosts", "r", os.O_RDONLY), None),
        ("open", (7, "r", 0), None),
        ("import", ("opentelemetry.sdk", None, None, None, None), "import"),
        ("import", ("posthog", None, None, None, None), "import"),
        ("import", ("json", None, None, None, None), None),
        ("object.__getattr__", (None, "x"), None),
    ],
)
def test_each_action_is_recorded_under_its_kind(
    event: str, arguments: tuple[Any, ...], kind: str | None
) -> None:
    """An audit event of our code is recorded under its kind, except reading elsewhere and light imports."""
    watch = Watch("/mem0/telemetry")
    ours: dict[str, Any] = {"__name__": "mem0_telemetry.delivery"}
    exec("def call(function, *arguments):\n    return function(*arguments)\n", ours)  # noqa: S102
    ours["call"](watch._audit, event, arguments)
    assert [noted for noted, _ in watch.seen] == ([kind] if kind else [])
    watch._audit(event, arguments)
    assert len(watch.seen) == bool(kind)


@pytest.mark.parametrize(
    ("callers", "ours"),
    [
        (["mem0_telemetry.delivery._sender"], True),
        (["mem0_telemetry.delivery._sender", "requests.sessions", "urllib3.connection"], True),
        (["posthog.client", "requests.sessions"], True),
        (["mem0.memory.main", "mem0_telemetry.usage.recorder"], True),
        (["mem0_telemetry.mem0_internals.import_hook", "mem0.memory.main", "qdrant_client"], False),
        (["mem0_telemetry.cli.harness.use", "mem0.client.main", "httpx"], False),
        (["application"], False),
    ],
)
def test_an_action_is_attributed_to_the_code_that_causes_it(callers: list[str], *, ours: bool) -> None:
    """An action is ours if our code causes it, also through libraries, but not if Mem0 does (outermost first)."""
    code = "def call(function, *further):\n    return function(*further)\n"
    calls = []
    for name in callers:
        module: dict[str, Any] = {"__name__": name}
        exec(code, module)  # noqa: S102  # a module of that name
        calls.append(module["call"])
    first, *further = calls
    assert first(*further, lambda: is_ours(sys._getframe(1))) is ours

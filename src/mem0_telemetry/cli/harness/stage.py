"""Run watched programs, each in a process and a home of its own, never with the user's id; read their reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from mem0_telemetry.cli.harness.fake_servers import FakePlatform
from mem0_telemetry.cli.harness.planted import Planted
from mem0_telemetry.policy import state_file
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mem0_telemetry.cli.harness.ways import Way

_SETTINGS = ("MEM0_", "OTEL_", "PYTEST_", "DO_NOT_TRACK", "POSTHOG_", "CI")
"""Beginnings of variables that would decide what the program is to decide."""

_ALL_HERE = "127.0.0.1,localhost"


def inherited() -> dict[str, str]:
    """Return the environment without settings of telemetry's, and without proxies: all servers are on this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SETTINGS) and not name.lower().endswith("_proxy")
    }
    # Where no variable names a proxy, some systems have one in their settings.
    return {**kept, "NO_PROXY": _ALL_HERE, "no_proxy": _ALL_HERE}


class ChildError(Exception):
    """A watched program has not come to its end, so that what it did cannot be checked; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One watched program."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables of its environment."""
    way: Way | None = None
    """How telemetry is switched off."""
    instrument: str | None = "before"
    """When it calls `instrument()`: `before` or `after` it imports Mem0, or None where Mem0 or a launcher does."""
    counted: bool = False
    """Whether it makes the calls of `EXPECTED` only, and fails where one does."""
    thoroughly: bool = False
    """Whether it uses all of Mem0, and in classes of the user's own."""

    @property
    def report_path(self) -> Path:
        """Where its report goes: beside its home, which is to stay as it is."""
        return self.home.with_suffix(".report")

    @property
    def errors_path(self) -> Path:
        """Where its standard error goes."""
        return self.home.with_suffix(".errors")

    def files(self) -> list[str]:
        """Return the files of telemetry's that it has left, but for a choice that was stored before."""
        stored = {"state.json", "state.lock"} if self.way and self.way.stored else set()
        ours = self.home / ".mem0" / "telemetry"
        left = [str(path.relative_to(ours)) for path in ours.rglob("*") if path.name not in stored]
        # Early releases of mem0ai make the directory of their telemetry store themselves; nothing may be in it.
        return sorted([*left, *(path.name for path in self.home.glob(".mem0/migrations_*/*"))])

    def done(self) -> list[str]:
        """Return what telemetry did in this program, though it was switched off; to read the choice is allowed."""
        report = self.report()
        done = [f"{kind}: {what}" for kind, what in report["seen"] if kind != "read"]
        done += [f"a log record: {line}" for line in report["logged"]]
        done += [f"thread: {name}" for name in report["threads"]]
        return list(dict.fromkeys([*done, *(f"file: {name}" for name in self.files())]))

    def report(self) -> dict[str, Any]:
        """Return what was seen; raises `ChildError` where the program has not come to its end."""
        try:
            report: dict[str, Any] = json.loads(self.report_path.read_bytes())
        except (OSError, ValueError):  # none, or one that was cut off
            errors = self.errors_path.read_text(encoding="utf-8") if self.errors_path.exists() else ""
            last = errors.strip().rpartition("\n")[2]
            raise ChildError(
                f"the program failed: {last}" if last else "it did not end within a minute"
            ) from None
        return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where watched programs run, until when, what is planted there, and the fake servers."""

    root: Path
    planted: Planted
    platform: FakePlatform
    unused: CaptureServer
    """Where a program that is switched off would send to."""
    receiver: CaptureServer
    """Takes what is sent."""
    refusing: CaptureServer
    """Answers that it is not there now, so that the spool keeps what is sent to it."""
    deadline: float
    """By `time.monotonic()`."""
    progress: Callable[[int, int], None] = lambda *_: None
    """Told how many of the programs have ended, each time that it is more."""

    def program(self, way: Way | None = None, **fields: Any) -> Program:
        """Return a program that is switched off in this way, or on, with a home that has a `.netrc` for any server."""
        home = Path(tempfile.mkdtemp(dir=self.root))
        login, password = self.planted["netrc_login"], self.planted["netrc_password"]
        netrc = home / ".netrc"
        netrc.write_text(f"default login {login} password {password}\n", encoding="utf-8")
        netrc.chmod(0o600)
        if way and way.stored:
            state_file.update(str(home / ".mem0"), lambda state: state.but(disabled=True))
        return Program(home=home, way=way, **fields)

    def environ(self, program: Program) -> dict[str, str]:
        """Return the variables of a program: its home, where to send, and planted ones of the application's own."""
        planted, home = self.planted, program.home
        return {
            "HOME": str(home),
            "USERPROFILE": str(home),
            **dict.fromkeys(("HOSTNAME", "COMPUTERNAME"), planted["host_name"]),
            **dict.fromkeys(("USER", "LOGNAME", "USERNAME"), planted["user_name"]),
            "MEM0_DIR": str(home / ".mem0"),
            "OTEL_RESOURCE_ATTRIBUTES": f"team={planted['otel_resource']}",
            "OTEL_SERVICE_NAME": planted["otel_service"],
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-team={planted['otel_header']}",
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS": f"x-team={planted['otel_header']}",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": planted["directory"],
            "OTEL_BAGGAGE": f"user={planted['baggage']}",
            "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_verify",
            "MEM0_TELEMETRY_POSTHOG_HOST": (self.unused if program.way else self.receiver).url,
            "MEM0_TELEMETRY_SAMPLE_RATE": "1",
            **(program.way.settings if program.way else {}),
            **program.settings,
        }

    def wanted(self, program: Program) -> dict[str, Any]:
        """Return what `harness/program.py` is told of a program."""
        return {
            "texts": dict(self.planted.texts),
            "platform_url": self.platform.url,
            "environ": self.environ(program),
            "home": str(program.home),
            "report": str(program.report_path),
            "errors": str(program.errors_path),
            "switch": program.way.switch if program.way else None,
            **{name: getattr(program, name) for name in ("instrument", "counted", "thoroughly")},
        }

    def run(self, programs: Sequence[Program]) -> str:
        """Run watched programs, a few at once, until they have ended or time is up; return what they printed."""
        wanted = [self.wanted(program) for program in programs]
        self.progress(0, len(programs))
        # Where it can fork, one process loads what Mem0 needs and then becomes each of the programs.
        batches = [wanted] if hasattr(os, "fork") else [[each] for each in wanted]
        module = "mem0_telemetry.cli.harness.program"
        printed = (self.start(self.root, {}, module, json.dumps(each), programs=programs) for each in batches)
        return "".join(text or "" for text in printed)

    def start(
        self,
        directory: Path,
        environ: Mapping[str, str],
        module: str,
        *arguments: str,
        programs: Sequence[Program] = (),
    ) -> str | None:
        """Run a module of ours in `directory`; return what it printed, or None where it failed or ran out of time."""
        with tempfile.TemporaryFile() as printed:
            process = subprocess.Popen(  # noqa: S603  # our own module, with this interpreter
                [sys.executable, "-m", module, *arguments],
                env={**inherited(), **environ},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # what it forks can be ended with it
            )
            ended = self._wait(process, programs)
            printed.seek(0)
            return printed.read().decode(errors="replace") if ended == 0 else None

    def _wait(self, process: subprocess.Popen[bytes], programs: Sequence[Program]) -> int | None:
        """Wait until it ends, and return its exit status; past the deadline end it and all that it forked."""
        done = 0
        try:
            while process.poll() is None and monotonic() < self.deadline:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK)
                reported = sum(program.report_path.exists() for program in programs)
                if reported > done:
                    done = reported
                    self.progress(done, len(programs))
            return process.returncode
        finally:
            if process.poll() is None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


_LOOK = 0.2
"""Seconds between two looks at how far the programs have come."""


@contextmanager
def open_stage(
    seconds: float, progress: Callable[[int, int], None] = lambda *_: None, planted: Planted | None = None
) -> Iterator[Stage]:
    """Open a stage in a temporary directory, with fake servers, for as long as the `with` block lasts."""
    planted = planted or Planted()
    with (
        CaptureServer() as unused,
        CaptureServer() as receiver,
        CaptureServer() as refusing,
        FakePlatform() as platform,
        tempfile.TemporaryDirectory() as directory,
    ):
        refusing.answer_always(Answer(status=503))
        root = Path(directory, planted["directory"])
        root.mkdir()
        yield Stage(
            root=root,
            planted=planted,
            platform=platform,
            unused=unused,
            receiver=receiver,
            refusing=refusing,
            deadline=monotonic() + seconds,
            progress=progress,
        )

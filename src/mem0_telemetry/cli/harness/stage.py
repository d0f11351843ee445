# SPDX-License-Identifier: Apache-2.0
"""Run watched programs, each in a process and a home of its own, never with the user's id; read their reports."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.cli.harness.fake_servers import FakePlatform
from mem0_telemetry.cli.harness.planted import Planted
from mem0_telemetry.policy import state_file
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mem0_telemetry.cli.harness.ways import Way

_SETTINGS = ("MEM0_", "OTEL_", "PYTEST_", "DO_NOT_TRACK", "POSTHOG_", "CI")
"""How the variables begin that would decide what the program is to decide."""
WATCHED = "mem0_telemetry.cli.harness.program"
"""The module that each watched program runs."""
_AT_ONCE = max(2, min(4, os.cpu_count() or 1))


class ChildError(Exception):
    """A watched program has not come to its end, so what it did cannot be checked. The message says why."""


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
    """Whether it makes the calls of `EXPECTED` only, and fails if one of them does."""
    thoroughly: bool = False
    """Whether it also calls every public method of Mem0, and in classes of the user's own."""

    @property
    def ours(self) -> Path:
        """Return the directory of telemetry."""
        return self.home / ".mem0" / "telemetry"

    @property
    def report_path(self) -> Path:
        """Return where its report goes: beside its home, in which only telemetry and Mem0 write."""
        return self.home.with_suffix(".report")

    @property
    def errors_path(self) -> Path:
        """Return where its standard error goes."""
        return self.home.with_suffix(".errors")

    def files(self) -> list[str]:
        """Return the files of telemetry that it has left, except a choice that was stored before."""
        stored = {"state.json", "state.lock"} if self.way and self.way.stored else set()
        left = [str(path.relative_to(self.ours)) for path in self.ours.rglob("*") if path.name not in stored]
        # Early releases of mem0ai make the directory of their telemetry store themselves; nothing may be in it.
        return sorted([*left, *(path.name for path in self.home.glob(".mem0/migrations_*/*"))])

    def done(self) -> list[str]:
        """Return what telemetry did in this program although it was switched off. Reading the choice is allowed."""
        report = self.report()
        done = [f"{kind}: {what}" for kind, what in report["seen"] if kind != "read"]
        done += [f"a log record: {line}" for line in report["logged"]]
        done += [f"thread: {name}" for name in report["threads"]]
        return list(dict.fromkeys([*done, *(f"file: {name}" for name in self.files())]))

    def report(self) -> dict[str, Any]:
        """Return what was seen; raise `ChildError` if the program has not come to its end."""
        try:
            report: dict[str, Any] = json.loads(self.report_path.read_bytes())
        except (OSError, ValueError):  # There is none, or it was cut off.
            errors = self.errors_path.read_text(encoding="utf-8") if self.errors_path.exists() else ""
            last = errors.strip().rpartition("\n")[2]
            why = f"the program failed: {last}" if last else "it did not end within a minute"
            raise ChildError(why) from None
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
    """By `base.clock.monotonic()`."""
    progress: Callable[[int, int], None]
    """Called with the number of programs that have ended, and of all."""

    def program(self, way: Way | None = None, **fields: Any) -> Program:
        """Return a program that is switched off in this way, or on; its home has a `.netrc` for any server."""
        home = Path(tempfile.mkdtemp(dir=self.root))
        netrc = home / ".netrc"
        netrc.touch(0o600)
        login, password = self.planted["netrc_login"], self.planted["netrc_password"]
        netrc.write_text(f"default login {login} password {password}\n", encoding="utf-8")
        if way and way.stored:
            state_file.update(str(home / ".mem0"), lambda state: state._replace(disabled=True))
        return Program(home=home, way=way, **fields)

    def environ(self, program: Program) -> dict[str, str]:
        """Return the variables of a program: its home, where to send, and planted ones of the application's own."""
        planted, home = self.planted, str(program.home)
        return {
            **dict.fromkeys(("HOME", "USERPROFILE"), home),
            **dict.fromkeys(("HOSTNAME", "COMPUTERNAME"), planted["host_name"]),
            **dict.fromkeys(("USER", "LOGNAME", "USERNAME"), planted["user_name"]),
            "MEM0_DIR": str(program.home / ".mem0"),
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
            "report": str(program.report_path),
            "switch": program.way.switch if program.way else "",
            **{name: getattr(program, name) for name in ("instrument", "counted", "thoroughly")},
        }

    def run(self, programs: Sequence[Program]) -> str:
        """Run watched programs, a few at once, until they have ended or time is up; return what they printed."""
        self.progress(0, len(programs))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            running = [
                pool.submit(self.start, program, WATCHED, json.dumps(self.wanted(program)))
                for program in programs
            ]
            try:
                for ended, _ in enumerate(as_completed(running), 1):
                    self.progress(ended, len(programs))
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
        return "".join(each.result() or "" for each in running)

    def start(self, program: Program, module: str, *arguments: str) -> str | None:
        """Run a module of ours as this program; return what it printed, or None if it failed or ran out of time."""
        with program.errors_path.open("ab") as errors, suppress(subprocess.TimeoutExpired):
            result = subprocess.run(  # noqa: S603  # our own module, with this interpreter
                [sys.executable, "-m", module, *arguments],
                env={**inherited(), **self.environ(program)},
                cwd=program.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=max(0.0, self.deadline - monotonic()),
                check=False,
            )
            if result.returncode == 0:
                return result.stdout.decode(errors="replace")
        return None


def inherited() -> dict[str, str]:
    """Return the environment without settings of telemetry, and without proxies: all servers are on this machine.

    A program with a home of its own still finds the packages of `pip install --user`.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SETTINGS) and not name.lower().endswith("_proxy")
    }
    # Some systems have a proxy in their settings, which counts if no variable names one.
    direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    return {**kept, **direct, "PYTHONUSERBASE": site.getuserbase()}


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

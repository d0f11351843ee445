"""Run the watched programs, each in a process and a home of its own, never with the user's id; read their reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from mem0_telemetry.cli.surroundings import inherited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mem0_telemetry.cli.verify._secrets import Planted


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, and what was seen that breaks it."""

    promise: str
    breaches: tuple[str, ...] = ()
    observed: str = ""
    """What was seen, in a few words, where nothing breaks it."""
    unchecked: str = ""
    """Why it could not be checked, where it could not: that proves nothing, for or against."""


class ChildError(Exception):
    """A watched program has not come to its end, so that what it did cannot be checked; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One watched program."""

    home: Path
    settings: Mapping[str, str]
    """Variables of its environment."""
    switch: str | None = None
    """How it switches telemetry off itself: `environ`, `flag`, `set_enabled`."""
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

    def report(self) -> dict[str, Any]:
        """Answer what was seen; raises `ChildError` where the program has not come to its end."""
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
    """Where the watched programs run, until when, and what is planted there."""

    root: Path
    platform_url: str
    receiver_url: str
    planted: Planted
    deadline: float
    """By `time.monotonic()`."""
    progress: Callable[[int, int], None] = lambda *_: None
    """Told how many of the programs have ended, each time that it is more."""

    def home(self, name: str) -> Path:
        """Make a home for one program, with a `.netrc` that would give a password to any server."""
        home = self.root / name
        home.mkdir()
        login, password = self.planted["netrc_login"], self.planted["netrc_password"]
        netrc = home / ".netrc"
        netrc.write_text(f"default login {login} password {password}\n", encoding="utf-8")
        netrc.chmod(0o600)
        return home

    def environ(self, home: Path, settings: Mapping[str, str]) -> dict[str, str]:
        """Answer the environment of a program in `home`, with the application's own OpenTelemetry settings planted."""
        planted = self.planted
        return {
            **inherited(),
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
            "MEM0_TELEMETRY_POSTHOG_HOST": self.receiver_url,
            "MEM0_TELEMETRY_SAMPLE_RATE": "1",
            **settings,
        }

    def run(self, programs: Sequence[Program]) -> None:
        """Run watched programs, a few at once, until they have ended or time is up."""
        wanted = [
            {
                "texts": dict(self.planted.texts),
                "platform_url": self.platform_url,
                "environ": self.environ(program.home, program.settings),
                "home": str(program.home),
                "report": str(program.report_path),
                "errors": str(program.errors_path),
                "switch": program.switch,
                "thoroughly": program.thoroughly,
            }
            for program in programs
        ]
        self.progress(0, len(programs))
        # Where it can fork, one process loads what Mem0 needs and then becomes each of the programs.
        for batch in [wanted] if hasattr(os, "fork") else [[each] for each in wanted]:
            child = "mem0_telemetry.cli.verify.child"
            self.start(self.root, os.environ, child, given=json.dumps(batch), programs=programs)

    def start(
        self,
        directory: Path,
        environ: Mapping[str, str],
        module: str,
        *arguments: str,
        given: str = "",
        programs: Sequence[Program] = (),
    ) -> str | None:
        """Run a module of ours in `directory`; return what it printed, or None where it failed or ran out of time."""
        with tempfile.TemporaryFile() as to_read, tempfile.TemporaryFile() as printed:
            to_read.write(given.encode())
            to_read.seek(0)
            process = subprocess.Popen(  # noqa: S603  # our own module, with this interpreter
                [sys.executable, "-m", module, *arguments],
                env=dict(environ),
                cwd=directory,
                stdin=to_read,
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

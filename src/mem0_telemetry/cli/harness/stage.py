# SPDX-License-Identifier: Apache-2.0
"""Run watched programs, each with its own process, home and installation id, and read their reports."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.cli.harness.fake_servers import FakePlatform
from mem0_telemetry.cli.harness.planted import new_texts
from mem0_telemetry.cli.harness.ways import ON, Way
from mem0_telemetry.policy import state_file
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

_SETTINGS = ("MEM0_", "OTEL_", "PYTEST_", "DO_NOT_TRACK", "POSTHOG_", "CI")
"""Prefixes of inherited variables that would change the decisions of a program."""
WATCHED = "mem0_telemetry.cli.harness.program"
"""The module that each watched program runs."""
_AT_ONCE = max(2, min(4, os.cpu_count() or 1))


class ChildError(Exception):
    """A watched program did not finish, so its actions cannot be checked. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One watched program."""

    home: Path
    way: Way
    """How telemetry is switched off."""
    environ: Mapping[str, str]
    wanted: Mapping[str, Any]
    """The arguments of `program.run`, which the program gets as JSON."""

    @property
    def ours(self) -> Path:
        """Return telemetry's directory in its home."""
        return self.home / ".mem0" / "telemetry"

    @property
    def errors_path(self) -> Path:
        """Return the file that gets its standard error."""
        return self.home.with_suffix(".errors")

    def files(self) -> list[str]:
        """Return the telemetry files that the program left, except a choice that was stored before its run."""
        stored = {"state.json", "state.lock"} if self.way.stored else set()
        left = [str(path.relative_to(self.ours)) for path in self.ours.rglob("*") if path.name not in stored]
        # Early releases of mem0ai create the directory of their telemetry store themselves; it must be empty.
        return sorted([*left, *(path.name for path in self.home.glob(".mem0/migrations_*/*"))])

    def done(self) -> list[str]:
        """Return what telemetry did in this program although it was off. Reading the stored choice is allowed."""
        report = self.report()
        done = [f"{kind}: {what}" for kind, what in report["seen"] if kind != "read"]
        done += [f"a log record: {line}" for line in report["logged"]]
        done += [f"thread: {name}" for name in report["threads"]]
        return list(dict.fromkeys([*done, *(f"file: {name}" for name in self.files())]))

    def report(self) -> dict[str, Any]:
        """Return the program's report; raise `ChildError` if the program did not finish."""
        try:
            report: dict[str, Any] = json.loads(Path(self.wanted["report"]).read_bytes())
        except (OSError, ValueError):  # The report is missing or incomplete.
            errors = self.errors_path.read_text(encoding="utf-8") if self.errors_path.exists() else ""
            last = errors.strip().rpartition("\n")[2]
            raise ChildError(f"the program failed: {last}" if last else "it did not end in time") from None
        return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The directory, deadline, planted texts and fake servers of watched programs."""

    root: Path
    planted: Mapping[str, str]
    """The private texts, by kind."""
    deadline: float
    """In seconds of `base.clock.monotonic()`."""
    platform: FakePlatform = field(default_factory=FakePlatform)
    unused: CaptureServer = field(default_factory=CaptureServer)
    """The destination of programs that switch telemetry off: it must get no request."""
    receiver: CaptureServer = field(default_factory=CaptureServer)
    """The destination of the program that is switched on."""
    refusing: CaptureServer = field(default_factory=CaptureServer)
    """A destination that always answers 503, so the spool keeps its batches."""

    def program(self, way: Way = ON, settings: Mapping[str, str] | None = None, **wanted: Any) -> Program:
        """Return a program with `settings` in its environment, and `wanted` as further arguments of `program.run`."""
        home, planted = Path(tempfile.mkdtemp(dir=self.root)), self.planted
        netrc = home / ".netrc"
        netrc.touch(0o600)
        login, password = planted["netrc_login"], planted["netrc_password"]
        netrc.write_text(f"default login {login} password {password}\n", encoding="utf-8")
        if way.stored:
            state_file.update(str(home / ".mem0"), lambda state: state._replace(disabled=True))
        environ = {
            **inherited(),
            **dict.fromkeys(("HOME", "USERPROFILE"), str(home)),
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
            "MEM0_TELEMETRY_POSTHOG_HOST": (self.receiver if way is ON else self.unused).url,
            "MEM0_TELEMETRY_SAMPLE_RATE": "1",
            **way.settings,
            **(settings or {}),
        }
        told = {
            "texts": dict(planted),
            "platform_url": self.platform.url,
            # The report is outside the home, in which only telemetry and Mem0 may write.
            "report": str(home.with_suffix(".report")),
            "switch": f"{way.imports}\n{way.shown}" if way.imports else "",
        }
        return Program(home=home, way=way, environ=environ, wanted={**told, **wanted})

    def run(self, programs: Sequence[Program], progress: Callable[[int, int], None] = lambda *_: None) -> str:
        """Run watched programs, a few at a time, until all end or the deadline passes. Return their output."""
        progress(0, len(programs))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            running = [pool.submit(self.start, each, WATCHED, json.dumps(each.wanted)) for each in programs]
            try:
                for ended, _ in enumerate(as_completed(running), 1):
                    progress(ended, len(programs))
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
        return "".join(each.result() or "" for each in running)

    def start(self, program: Program, module: str, *arguments: str) -> str | None:
        """Run a module of ours as this program. Return its output, or None if it failed or ran out of time."""
        with program.errors_path.open("ab") as errors, suppress(subprocess.TimeoutExpired):
            result = subprocess.run(  # noqa: S603  # our own module, with this interpreter
                [sys.executable, "-m", module, *arguments],
                env=program.environ,
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
    """Return the environment without telemetry settings and proxies, because all servers are on this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SETTINGS) and not name.lower().endswith("_proxy")
    }
    # Without these variables, `requests` would use a proxy from the system settings.
    direct = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    # With another home, the program must still find the packages of `pip install --user`.
    return {**kept, **direct, "PYTHONUSERBASE": site.getuserbase()}


@contextmanager
def open_stage(seconds: float, planted: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """Open a stage with a temporary directory and fake servers for the `with` block."""
    planted = planted or new_texts()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, planted["directory"])
        root.mkdir()
        stage = Stage(root=root, planted=planted, deadline=monotonic() + seconds)
        stage.refusing.answer_always(Answer(status=503))
        with stage.platform, stage.unused, stage.receiver, stage.refusing:
            yield stage

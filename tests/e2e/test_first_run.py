"""The first runs of an installation: at a terminal they show the notice, in a build service events say so."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry.environment_variables import CI_VARIABLES
from mem0_telemetry.policy.notice import TEXT
from mem0_telemetry.policy.registry.added_attributes import CI
from support.processes import clean_environ, posthog_environ, run_python
from support.terminals import what_is_seen

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

RECORD = """
from support import loopback_only  # the destination is the vendor, which no test may reach
import mem0_telemetry
from mem0_telemetry import telemetry
mem0_telemetry.instrument()
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
mem0_telemetry.set_enabled(True)
telemetry.MEM0_TELEMETRY = True
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
mem0_telemetry.get_logger_provider()
mem0_telemetry.flush(0.3)
print(mem0_telemetry.status().enabled, mem0_telemetry.status().source, telemetry.get_or_create_user_id() is None)
"""


def at_terminal(home: Path) -> tuple[str, str]:
    """Run a program whose stderr is a terminal; return its stdout, and the text that its user sees."""
    reader, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", RECORD],
        env=clean_environ(home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=end,
        start_new_session=True,  # a separate run, not a child of the previous one
        text=True,
    ) as process:
        os.close(end)
        seen = what_is_seen(reader)
        printed, _ = process.communicate(timeout=180)
        assert process.returncode == 0
    return printed, seen


def test_run_that_shows_the_notice_stores_only_its_date(tmp_path: Path) -> None:
    """The run that shows the notice records nothing and stores only the notice's date; the next run is recorded."""
    assert at_terminal(tmp_path) == ("False notice True\n", TEXT)
    left = sorted(path.name for path in (tmp_path / ".mem0").rglob("*"))
    assert left == ["state.json", "state.lock", "telemetry"]
    assert '"installation_id": null' in (tmp_path / ".mem0" / "telemetry" / "state.json").read_text()
    assert at_terminal(tmp_path) == ("True default False\n", "")
    assert list((tmp_path / ".mem0" / "telemetry").rglob("spool/posthog-*/*"))


@pytest.mark.parametrize("variable", [None, *CI_VARIABLES])
def test_build_service_does_not_switch_off(
    variable: str | None, tmp_path: Path, server: CaptureServer
) -> None:
    """In a build service events arrive too, with the property `mem0.ci`; elsewhere they do not have it."""
    environ = posthog_environ(tmp_path, server.url, **({variable: "true"} if variable else {}))
    environ = {name: value for name, value in environ.items() if name == variable or name not in CI_VARIABLES}
    code = "\n".join(line for line in RECORD.splitlines() if "provider" not in line)
    result = run_python(code.replace("flush(0.3)", "flush(60)"), environ)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(server.events) == 2
    for event in server.events:
        assert event["properties"].get(CI.posthog_name) == (True if variable else None)
        assert variable is None or variable not in str(event)

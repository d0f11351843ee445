"""Mem0's directory is determined once, when the drop-in is executed: it does not follow a later `chdir`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

PROGRAM = """
import json, os, subprocess, sys, threading
from mem0_telemetry import telemetry
import mem0_telemetry
os.mkdir("elsewhere")
os.chdir("elsewhere")
os.environ["HOME"] = os.getcwd()
def event():
    telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
"""
SAME_THREAD = "event()\n"
OTHER_THREAD = "t = threading.Thread(target=event); t.start(); t.join()\n"
CHILD = """
child = os.fork()
if not child:
    event()
    mem0_telemetry.flush(60)
    os._exit(0)
os.waitpid(child, 0)
"""
REPORT = """
done = mem0_telemetry.flush(60)
print(json.dumps([done, mem0_telemetry.status().installation_id, os.listdir()]))
"""


@pytest.mark.parametrize("first_event", [SAME_THREAD, OTHER_THREAD, CHILD], ids=["same", "thread", "fork"])
@pytest.mark.parametrize(
    ("setting", "place"), [({"MEM0_DIR": "m0"}, "m0"), ({}, ".mem0")], ids=["relative", "home"]
)
def test_files_stay_in_the_directory_of_the_start(
    tmp_path: Path, server: CaptureServer, setting: dict[str, str], place: str, first_event: str
) -> None:
    """Telemetry files stay in the directory of the start, even if the working directory and HOME change later."""
    done, identifier, elsewhere = report_of(
        PROGRAM + first_event + REPORT, posthog_environ(tmp_path, server.url, **setting)
    )
    assert (done, elsewhere) == (True, [])
    (event,) = server.events
    state = json.loads((tmp_path / place / "telemetry" / "state.json").read_text())
    assert state["installation_id"] == event["distinct_id"] == identifier


def test_disable_reaches_a_program_that_changed_its_directory(tmp_path: Path, server: CaptureServer) -> None:
    """`disable`, run in the start directory, switches off a program that has changed its working directory since."""
    environ = posthog_environ(tmp_path, server.url, MEM0_DIR="m0")
    code = f"""{PROGRAM}
event()
mem0_telemetry.flush(60)
subprocess.run([sys.executable, "-m", "mem0_telemetry", "disable"], cwd="..", check=True, capture_output=True)
for _ in range(3):
    event()
    mem0_telemetry.flush(60)
print(json.dumps(dict(mem0_telemetry.status().dropped)))
"""
    assert report_of(code, environ) == {"discarded": 3}
    assert len(server.events) == 1


def test_deleted_directory_keeps_everything_in_memory(tmp_path: Path, server: CaptureServer) -> None:
    """If a relative MEM0_DIR is in a deleted working directory, the process keeps everything in memory."""
    code = """
        import os
        os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
        import json, mem0_telemetry
        from mem0_telemetry import telemetry
        os.chdir("..")
        telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        print(json.dumps([mem0_telemetry.flush(60), os.listdir()]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url, MEM0_DIR="m0")) == [True, []]
    assert [event["properties"]["mem0.installation.ephemeral"] for event in server.events] == [True]

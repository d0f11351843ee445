"""While `state.json` is temporarily unreadable, nothing is sent and nothing is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

PRELUDE = """
import errno, json, os, resource, subprocess, sys, time
open_really, failing = os.open, 0
def open_or_fail(path, *arguments, **options):
    if failing and str(path).endswith("state.json"):
        raise OSError(failing, os.strerror(failing))
    return open_really(path, *arguments, **options)
os.open = open_or_fail
"""
EVENTS = """
from mem0_telemetry import telemetry
import mem0_telemetry
def event():
    telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
def wait_until_spooled(count):
    until = time.monotonic() + 60
    while mem0_telemetry.status().spooled < count and time.monotonic() < until:
        time.sleep(0.01)
def report():
    print(json.dumps([mem0_telemetry.flush(60), mem0_telemetry.status().sent, dict(mem0_telemetry.status().dropped)]))
"""


@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOMEM", "EIO", "EINTR", "ESTALE"])
def test_events_during_a_read_error_are_sent_later(tmp_path: Path, server: CaptureServer, error: str) -> None:
    """While the stored choice cannot be read, events are kept and not sent; afterwards all are sent, under one id."""
    code = f"""{PRELUDE}{EVENTS}
event()
assert mem0_telemetry.flush(60)
failing = errno.{error}
for _ in range(3):
    event()
wait_until_spooled(4)
assert not mem0_telemetry.flush(0.2)
assert mem0_telemetry.status().sent == 1
failing = 0
report()
"""
    assert report_of(code, posthog_environ(tmp_path, server.url)) == [True, 4, {}]
    assert len({event["distinct_id"] for event in server.events}) == 1


def test_events_without_free_descriptors_are_sent_later(tmp_path: Path, server: CaptureServer) -> None:
    """While no file descriptor is free, events are kept in memory; they are sent when descriptors are free again."""
    code = f"""{PRELUDE}{EVENTS}
event()
assert mem0_telemetry.flush(60)
wait_until_spooled(1)  # imports what `status` needs
resource.setrlimit(resource.RLIMIT_NOFILE, (60, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for _ in range(3):
    event()
wait_until_spooled(4)
for descriptor in taken:
    os.close(descriptor)
report()
"""
    assert report_of(code, posthog_environ(tmp_path, server.url)) == [True, 4, {}]
    assert len(server.events) == 4


def test_stored_no_that_is_unreadable_at_the_start(tmp_path: Path, server: CaptureServer) -> None:
    """If `disable` was run but cannot be read when the program starts, nothing is sent, then or later."""
    environ = posthog_environ(tmp_path, server.url)
    code = f"""{PRELUDE}
subprocess.run([sys.executable, "-m", "mem0_telemetry", "disable"], check=True, capture_output=True)
failing = errno.EIO
{EVENTS}
event()
wait_until_spooled(1)
assert not mem0_telemetry.flush(0.2)
failing = 0
report()
"""
    assert report_of(code, environ) == [True, 0, {"discarded": 1}]
    assert server.requests == []


def test_events_unsent_at_the_exit_go_with_the_next_run(tmp_path: Path, server: CaptureServer) -> None:
    """A process that ends while the stored choice is unreadable leaves its events on disk; the next run sends them."""
    environ = posthog_environ(tmp_path, server.url)
    report_of(f"{PRELUDE}{EVENTS}\nevent()\nreport()", environ)
    report_of(
        f"{PRELUDE}{EVENTS}\nevent()\nmem0_telemetry.flush(60)\nfailing = errno.EIO\nevent()\nprint(0)",
        environ,
    )
    assert len(server.events) == 2
    report_of(f"{PRELUDE}{EVENTS}\nevent()\nreport()", environ)
    assert len(server.events) == 4

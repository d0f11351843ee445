"""Our warnings appear on stderr, unless the application's own logging configuration decides otherwise."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from mem0_telemetry.base import guard
from support.processes import NO_EXPORTERS, clean_environ, run_program

PROGRAM = """
import logging
from mem0_telemetry import telemetry
from mem0_telemetry.base.guard import note

assert [type(one).__module__.partition(".")[0] for one in logging.root.handlers] == ["opentelemetry"]
ours = logging.getLogger("mem0_telemetry")
note("and DEBUG is not printed")
ours.disabled = True
note("a disabled logger", level=logging.WARNING)
ours.disabled = False
ours.setLevel(logging.ERROR)
note("a higher level", level=logging.WARNING)
ours.setLevel(logging.NOTSET)
ours.addFilter(lambda _: False)
note("a filter", level=logging.WARNING)
ours.filters.clear()
asked = []
ours.addFilter(lambda record: asked.append(record) or True)
note("MEM0_TELEMTRY again", level=logging.WARNING)
ours.filters.clear()
assert len(asked) == 1, asked
ours.addHandler(logging.NullHandler())
note("a handler of the application's", level=logging.WARNING)
"""


def test_warning_is_printed_despite_opentelemetrys_handler(tmp_path: Path) -> None:
    """If OpenTelemetry's handler is the only one, a warning is printed once, and filters are called once.

    If the application has silenced our logger, or has a handler of its own, nothing is printed.
    """
    program = tmp_path / "app.py"
    program.write_text(PROGRAM)
    launcher = Path(sys.executable).with_name("opentelemetry-instrument")
    # Without our instrumentation at the start, OpenTelemetry adds its handler before our warning.
    later = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "mem0"}
    environ = clean_environ(tmp_path, MEM0_TELEMTRY="False", **later, **NO_EXPORTERS)
    result = run_program([launcher, sys.executable, program], environ)
    assert result.returncode == 0, result.stderr
    first, again = result.stderr.splitlines()
    assert "MEM0_TELEMTRY" in first
    assert again == "MEM0_TELEMTRY again"


def test_suppressed_message_makes_no_log_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """While DEBUG is off, a message at DEBUG does not call the application's own log record factory."""
    monkeypatch.setattr(guard, "_reported", set())
    logging.getLogger("mem0_telemetry").setLevel(logging.INFO)
    make, asked = logging.getLogRecordFactory(), []
    logging.setLogRecordFactory(lambda *given, **named: asked.append(given) or make(*given, **named))
    try:
        guard.note("nobody hears this")
    finally:
        logging.setLogRecordFactory(make)
        logging.getLogger("mem0_telemetry").setLevel(logging.NOTSET)
    assert asked == []


def test_an_exception_without_items_is_logged_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception is logged with its traceback even if its truth value is False, as that of one without items."""

    class Empty(Exception):  # noqa: N818  # the name describes it
        def __len__(self) -> int:
            return 0

    monkeypatch.setattr(guard, "_reported", set())
    with caplog.at_level(logging.DEBUG, logger="mem0_telemetry"):
        guard.note("failed", Empty())
    assert caplog.records[-1].exc_info is not None

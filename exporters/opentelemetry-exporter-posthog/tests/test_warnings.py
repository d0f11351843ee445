"""Where warnings go: to stderr if only OpenTelemetry's handlers listen, and nowhere if silenced."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs.export import LogRecordExportResult

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = "opentelemetry.exporter.posthog"
_KEY = "phc_" + "k" * 40


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages logged at WARNING or above."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_warning_is_printed_if_only_opentelemetry_listens(tmp_path: Path) -> None:
    """If the only log handler is OpenTelemetry's, a warning is printed on stderr, once a process."""
    pytest.importorskip("opentelemetry.instrumentation.logging.handler")
    (tmp_path / "app.py").write_text(
        "from opentelemetry._logs import get_logger\n"
        "from opentelemetry.trace import get_tracer\n"
        "with get_tracer('shop').start_as_current_span('checkout'):\n"
        "    get_logger('shop').emit(event_name='order.placed')\n"
    )
    done = subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument", sys.executable, "app.py"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "OTEL_LOGS_EXPORTER": "posthog",
            "OTEL_TRACES_EXPORTER": "posthog",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_EXPORTER_POSTHOG_API_KEY": _KEY,
            "OTEL_EXPORTER_POSTHOG_HOST": "http://127.0.0.1:1",
            "OTEL_EXPORTER_POSTHOG_TIMEOUT": "0.3",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert done.stderr.count("Events are lost: ") == 1
    assert _KEY not in done.stderr


class _OpenTelemetryHandler(logging.NullHandler):
    __module__ = "opentelemetry.instrumentation.logging.handler"


@pytest.mark.parametrize(
    ("handlers", "silence", "times"),
    [
        ([_OpenTelemetryHandler()], {}, 1),
        ([], {}, 1),
        ([_OpenTelemetryHandler(), logging.NullHandler()], {}, 0),
        ([logging.NullHandler()], {}, 0),
        ([_OpenTelemetryHandler()], {"level": logging.ERROR}, 0),
        ([_OpenTelemetryHandler()], {"disabled": True}, 0),
        ([_OpenTelemetryHandler()], {"filters": [lambda _: False]}, 0),
        ([_OpenTelemetryHandler()], {"propagate": False, "handlers": [logging.NullHandler()]}, 0),
    ],
)
def test_the_settings_of_the_logger_can_silence_a_warning(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    handlers: list[logging.Handler],
    silence: dict[str, Any],
    times: int,
) -> None:
    """A warning is printed only if no other handler can show it, and the logger's settings permit it."""
    logger = logging.getLogger(_LOGGER)
    with monkeypatch.context() as during:
        during.setattr(logging.getLogger(), "handlers", handlers)
        for name, value in silence.items():
            during.setattr(logger, name, value)
        logger.manager._clear_cache()  # type: ignore[attr-defined]  # as `setLevel` does
        PostHogLogExporter()
    logger.manager._clear_cache()  # type: ignore[attr-defined]
    assert capsys.readouterr().err.count("No PostHog API key") == times


def test_the_level_of_the_last_resort_applies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the level of `logging.lastResort` is ERROR, no warning is printed."""
    assert logging.lastResort
    with monkeypatch.context() as during:
        during.setattr(logging.getLogger(), "handlers", [_OpenTelemetryHandler()])
        during.setattr(logging.lastResort, "level", logging.ERROR)
        PostHogLogExporter()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="filters can return a record since Python 3.12")
def test_a_logging_filter_may_replace_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The record that the application's logging filter returns replaces the warning."""
    other = logging.makeLogRecord({"name": _LOGGER, "levelno": logging.WARNING, "msg": "without secrets"})
    monkeypatch.setattr(logging.getLogger(_LOGGER), "filters", [lambda _: other])
    PostHogLogExporter()
    assert warnings_in(caplog) == ["without secrets"]


def test_a_warning_that_a_filter_drops_is_given_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If a logging filter drops a warning, for one thread maybe, the next exporter gives it again."""
    with monkeypatch.context() as during:
        during.setattr(logging.getLogger(_LOGGER), "filters", [lambda _: False])
        PostHogLogExporter()
    assert warnings_in(caplog) == []
    PostHogLogExporter()
    assert "No PostHog API key" in warnings_in(caplog)[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("SPAN", "SPANS"), ("EXCEPTION", "EXCEPTIONS"), ("KEY", "API_KEY"), ("XYZ", "")],
)
def test_a_misspelled_variable_causes_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, written: str, meant: str
) -> None:
    """One warning names an unknown variable and the nearest name, but not its value, which may be a key."""
    monkeypatch.setenv(f"OTEL_EXPORTER_POSTHOG_{written}", "phc_hunter2")
    for exporter in (PostHogLogExporter, PostHogSpanExporter):
        exporter(api_key="phc_a")
    (warning,) = warnings_in(caplog)
    assert f" OTEL_EXPORTER_POSTHOG_{written}, " in warning
    assert warning.partition("nearest name is OTEL_EXPORTER_POSTHOG_")[2].startswith(meant)
    assert "hunter2" not in warning


def test_an_empty_variable_or_a_very_different_name_is_not_corrected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty variable causes no warning; a name that resembles none causes one without a proposal."""
    monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_ENDPOINT", " ")
    PostHogLogExporter(api_key="phc_a")
    assert warnings_in(caplog) == []
    monkeypatch.setenv("OTEL_EXPORTER_POSTHOG_" + "X" * 100, "1")
    PostHogLogExporter(api_key="phc_a")
    assert warnings_in(caplog)[0].endswith("X, so it is ignored.")


class _BrokenHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError(record.getMessage())


def test_a_log_handler_that_raises_does_not_affect_an_export(
    monkeypatch: pytest.MonkeyPatch, server: CaptureServer, make_log: Callable[..., Any]
) -> None:
    """If a log handler of the application raises, no event is lost, and the exporter does not raise."""
    logger = logging.getLogger(_LOGGER)
    monkeypatch.setattr(logger, "handlers", [_BrokenHandler()])
    monkeypatch.setattr(logger, "propagate", False)
    logger.setLevel(logging.DEBUG)
    try:
        assert PostHogLogExporter().export([make_log()]) is LogRecordExportResult.SUCCESS
        server.answer(Answer(status=401), Answer(drop=True))
        exporter = PostHogLogExporter(api_key=_KEY, host=server.url, retry=False)
        for _ in range(3):
            exporter.export([make_log()])
        stats = exporter.stats
        assert (stats.dropped, stats.failed, stats.exported) == ({"unauthorized": 1}, 1, 1)
    finally:
        logger.setLevel(logging.NOTSET)


def test_the_exporters_own_log_records_do_not_loop(server: CaptureServer, tmp_path: Path) -> None:
    """A flush ends even if each logger is at DEBUG and OpenTelemetry's handler feeds the exporter."""
    pytest.importorskip("opentelemetry.instrumentation.logging.handler")
    (tmp_path / "app.py").write_text(
        "import logging, sys\n"
        "from opentelemetry.instrumentation.logging.handler import LoggingHandler\n"
        "from opentelemetry.sdk._logs import LoggerProvider\n"
        "from opentelemetry.sdk._logs.export import BatchLogRecordProcessor\n"
        "from opentelemetry.exporter.posthog import PostHogLogExporter\n"
        "for host, exceptions in ((sys.argv[1], False), ('http://a..b', True)):\n"
        "    exporter = PostHogLogExporter(api_key='phc_a', host=host, exceptions=exceptions)\n"
        "    provider = LoggerProvider(shutdown_on_exit=False)\n"
        "    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))\n"
        "    logging.root.handlers = [LoggingHandler(logger_provider=provider)]\n"
        "    logging.root.setLevel(logging.DEBUG)\n"
        "    logging.getLogger('shop').info('placed', extra={'otel.event.name': 'order.placed'})\n"
        "    provider.force_flush()\n"
        "    print(exporter.stats.exported, exporter.stats.failed)\n"
        "    logging.root.handlers = []\n"
    )
    done = subprocess.run(
        [sys.executable, "app.py", server.url],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "1 0\n0 1\n"

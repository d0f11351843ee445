"""Total loss is never silent: one WARNING for each cause, with the variable and the remedy, and no key."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeLog = Callable[..., Any]

_LOGGER = "opentelemetry.exporter.posthog"
_KEY = "phc_" + "k" * 40


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings, all of which this package's logger gives."""
    found = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert {record.name for record in found} <= {_LOGGER}
    for record in found:
        assert _KEY not in record.getMessage()
    return [record.getMessage() for record in found]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "OTEL_EXPORTER_POSTHOG_HOST"),
        (401, "OTEL_EXPORTER_POSTHOG_API_KEY"),
        (403, "OTEL_EXPORTER_POSTHOG_HOST"),
        (404, "OTEL_EXPORTER_POSTHOG_HOST"),
        (405, "OTEL_EXPORTER_POSTHOG_HOST"),
        (301, "redirects to https://login.example.com:8443 "),
        (413, "OTEL_EXPORTER_POSTHOG_HOST"),
        (422, "OTEL_EXPORTER_POSTHOG_HOST"),
    ],
)
def test_a_refusal_is_said_once(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, status: int, words: str
) -> None:
    """Each kind of permanent refusal names its cause and remedy once, and other kinds are said too."""
    secret = f"https://user:{_KEY}@login.example.com:8443/{_KEY}"
    refusal = Answer(status=status, headers={"Location": secret}, body=_KEY.encode())
    server.answer(refusal, refusal, Answer(status=410))
    exporter = PostHogLogExporter(api_key=_KEY, host=server.url)
    for _ in range(3):
        exporter.export([make_log()])
    first, second = _said(caplog)
    assert words in first
    assert f"{server.url} " in first
    assert f"HTTP {status}" in first
    assert "HTTP 410" in second


@pytest.mark.parametrize("location", ["/login", "{url}/login"])
def test_a_redirect_within_the_host_is_said_so(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, location: str
) -> None:
    """A host that redirects to itself is not named as the place to send to."""
    server.answer(Answer(status=302, headers={"Location": location.format(url=server.url)}))
    PostHogLogExporter(api_key=_KEY, host=server.url).export([make_log()])
    assert f"{server.url} redirects to another place of the same host" in _said(caplog)[0]


@pytest.mark.parametrize(
    "answer", [Answer(drop=True), Answer(stall=True), Answer(status=503)], ids=["dropped", "silent", "503"]
)
def test_a_batch_that_is_given_up_is_said_once(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    """Where no attempt got through in time, that is said, unless the caller repeats by itself."""
    server.answer_always(answer)
    for retry, expected in ((False, 0), (True, 1)):
        exporter = PostHogLogExporter(api_key=_KEY, host=server.url, timeout=0.3, retry=retry)
        exporter.export([make_log()])
        exporter.export([make_log()])
        assert len(_said(caplog)) == expected
    assert "OTEL_EXPORTER_POSTHOG_TIMEOUT" in _said(caplog)[0]


@pytest.mark.parametrize("bad", ["odrers", 7, lambda _: 1 / 0], ids=["a typo", "a number", "raises"])
@pytest.mark.parametrize("exporter", [PostHogLogExporter, PostHogSpanExporter])
def test_a_filter_that_keeps_nothing_is_said_once(  # noqa: PLR0913, PLR0917  # fixtures
    server: CaptureServer,
    make_log: MakeLog,
    make_span: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    exporter: Any,
    bad: Any,
) -> None:
    """A filter that is none, or that raises for all, loses everything: nothing is sent, and that is said."""
    built = exporter(api_key=_KEY, host=server.url, filter=bad)
    for _ in range(2):
        built.export([make_log() if exporter is PostHogLogExporter else make_span()])
    assert server.events == []
    assert built.stats.dropped == {"filter_failed": 2}
    assert "'filter'" in _said(caplog)[0]
    assert len(_said(caplog)) <= 2


@pytest.mark.parametrize(
    ("strict", "named"),
    [
        ({"events": "cart.*"}, "OTEL_EXPORTER_POSTHOG_EVENTS"),
        ({"filter": lambda _: False}, "'filter'"),
        ({"before_send": lambda _: None}, "'before_send'"),
    ],
    ids=["events", "filter", "before_send"],
)
def test_what_keeps_none_of_many_records_is_said_once(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, strict: Any, named: str
) -> None:
    """A filter that kept none of the first 1000 records is named; fewer, or one that was kept, say nothing."""
    batch = [make_log({"n": number}) for number in range(500)]
    keeping = PostHogLogExporter(api_key=_KEY, host=server.url, events=("order.*", "cart.*"))
    keeping.export([make_log()])
    never = PostHogLogExporter(api_key=_KEY, host=server.url, **strict)
    for _ in range(2):
        keeping.export([make_log(event_name="other")] * 1000)
        never.export(batch)
    assert _said(caplog) == []
    for _ in range(2):
        never.export(batch)
    (said,) = _said(caplog)
    assert named in said
    assert "first 1000 records" in said


def test_before_send_that_always_fails_is_said(make_log: MakeLog, caplog: pytest.LogCaptureFixture) -> None:
    """A `before_send` that raises for all, or is none, loses everything, and that is said."""
    for bad in (lambda _: 1 / 0, 7):
        exporter = PostHogLogExporter(api_key=_KEY, host="http://127.0.0.1:9", before_send=bad)  # type: ignore[arg-type]
        exporter.export([make_log()])
    assert len([text for text in _said(caplog) if "'before_send'" in text]) == 2


def test_an_unknown_setting_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A key that this release does not know is named, and the exporter is there."""
    assert PostHogLogExporter(api_key=_KEY, redakt=True).stats.exported == 0
    assert "'redakt'" in _said(caplog)[0]


@pytest.mark.parametrize(
    ("host", "meant", "warnings"),
    [
        ("https://EU.i.PostHog.com", "https://eu.i.posthog.com", 0),
        ("https://eu.posthog.com/", "https://eu.posthog.com", 0),
        ("https://us.i.posthog.com:443", "https://us.i.posthog.com", 0),
        ("http://us.i.posthog.com", "https://us.i.posthog.com", 1),
        ("http://us.i.posthog.com:80", "https://us.i.posthog.com", 1),
        ("https://us.i.posthog.com:8000", "https://us.i.posthog.com", 1),
        ("https://us.i.posthog.com/batch/", "https://us.i.posthog.com", 0),
        ("https://ph.example.com/batch/", "https://ph.example.com", 1),
        ("https://ph.example.com/e/batch", "https://ph.example.com/e", 1),
        ("https://ph.example.com/i/v0/e", "https://ph.example.com", 1),
        ("http://127.0.0.1:8000/ingest/", "http://127.0.0.1:8000/ingest", 0),
    ],
)
def test_hosts_are_taken_as_meant(
    caplog: pytest.LogCaptureFixture, host: str, meant: str, warnings: int
) -> None:
    """The path of an endpoint is removed, and PostHog Cloud is found by any spelling; what is odd is said."""
    assert PostHogLogExporter(api_key=_KEY, host=host)._config.host == meant
    assert len(_said(caplog)) == warnings


def test_each_export_is_one_line_at_debug(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture
) -> None:
    """One DEBUG line says what became of an export."""
    caplog.set_level(logging.DEBUG, logger=_LOGGER)
    exporter = PostHogLogExporter(api_key=_KEY, host=server.url)
    for _ in range(3):
        exporter.export([make_log()])
    lines = [record.getMessage() for record in caplog.records if record.name == _LOGGER]
    assert len(lines) == 3
    assert all(line.startswith("export of 1 records in ") and line.endswith("done") for line in lines)


def test_a_warning_is_seen_where_only_opentelemetry_listens(tmp_path: Path) -> None:
    """With OpenTelemetry's handler for `logging` alone, what nobody could read is printed, once a process."""
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
def test_who_silences_the_logger_has_silence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    handlers: list[logging.Handler],
    silence: dict[str, Any],
    times: int,
) -> None:
    """A warning is printed where no handler but OpenTelemetry's could show it; the logger's settings are kept to."""
    logger = logging.getLogger(_LOGGER)
    with monkeypatch.context() as during:
        during.setattr(logging.getLogger(), "handlers", handlers)
        for name, value in silence.items():
            during.setattr(logger, name, value)
        logger.manager._clear_cache()  # type: ignore[attr-defined]  # as `setLevel` does
        PostHogLogExporter()
    logger.manager._clear_cache()  # type: ignore[attr-defined]
    assert capsys.readouterr().err.count("No PostHog API key") == times


def test_a_warning_that_a_filter_drops_is_not_used_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where another exporter's thread is to be silent, the application still hears of its own one."""
    with monkeypatch.context() as during:
        during.setattr(logging.getLogger(_LOGGER), "filters", [lambda _: False])
        PostHogLogExporter()
    assert _said(caplog) == []
    PostHogLogExporter()
    assert "No PostHog API key" in _said(caplog)[0]

"""Total loss is never silent: each cause is one WARNING with the variable and the remedy, and no key."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog._warnings import warn_of_refusal
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeLog = Callable[..., Any]

_LOGGER = "opentelemetry.exporter.posthog"
_KEY = "phc_" + "k" * 40


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings; assert that they come from this package's logger, without the key."""
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
def test_each_kind_of_refusal_causes_one_warning(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, status: int, words: str
) -> None:
    """Each kind of refusal causes one warning with its cause and remedy; another kind causes another."""
    secret = f"https://user:{_KEY}@login.example.com:8443/{_KEY}"
    refusal = Answer(status=status, headers={"Location": secret}, body=_KEY.encode())
    server.answer(refusal, refusal, Answer(status=410))
    exporter = PostHogLogExporter(api_key=_KEY, host=server.url)
    for _ in range(3):
        exporter.export([make_log()])
    first, second = warnings_in(caplog)
    assert words in first
    assert f"{server.url} " in first
    assert f"HTTP {status}" in first
    assert "HTTP 410" in second


@pytest.mark.parametrize("location", ["/login", "login", "", "{url}/login"])
def test_a_redirect_within_the_host_names_no_other_host(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, location: str
) -> None:
    """If a host redirects to itself, the warning does not name it as another host to use."""
    server.answer(Answer(status=302, headers={"Location": location.format(url=server.url)}))
    PostHogLogExporter(api_key=_KEY, host=server.url).export([make_log()])
    assert f"{server.url} redirects to another place of the same host" in warnings_in(caplog)[0]


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        (
            "https://ph.example.com/batch/",
            "https://PH.example.com:443/login",
            "another place of the same host",
        ),
        ("http://ph.example.com:80/batch/", "http://ph.example.com/login", "another place of the same host"),
        ("https://ph.example.com/batch/", "https://ph.example.com:8443/", "https://ph.example.com:8443"),
        ("http://ph.example.com/batch/", "https://ph.example.com/batch/", "https://ph.example.com"),
        ("https://ph.example.com/batch/", "//login.example.com/batch/", "https://login.example.com"),
        ("https://ph.example.com/batch/", "https://[", "another place of the same host"),
    ],
)
def test_the_target_of_a_redirect_is_named(
    caplog: pytest.LogCaptureFixture, url: str, location: str, target: str
) -> None:
    """The warning names the target of a redirect: scheme, host, and the port unless it is the default."""
    warn_of_refusal(302, url, location)
    assert f".example.com redirects to {target} (HTTP 302)" in warnings_in(caplog)[0]


@pytest.mark.parametrize(
    "answer", [Answer(drop=True), Answer(stall=True), Answer(status=503)], ids=["dropped", "silent", "503"]
)
def test_a_batch_that_is_given_up_causes_one_warning(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    """If no attempt succeeds in time, the exporter warns once, unless the caller repeats exports itself."""
    server.answer_always(answer)
    for retry, expected in ((False, 0), (True, 1)):
        exporter = PostHogLogExporter(api_key=_KEY, host=server.url, timeout=0.3, retry=retry)
        exporter.export([make_log()])
        exporter.export([make_log()])
        assert len(warnings_in(caplog)) == expected
    assert "OTEL_EXPORTER_POSTHOG_TIMEOUT" in warnings_in(caplog)[0]


@pytest.mark.parametrize(
    ("arguments", "proxy", "failure"),
    [
        ({"host": "http://a..b.test"}, None, "LocationParseError"),
        ({"host": f"http://{'a' * 70}.test"}, None, "LocationParseError"),
        ({"host": "http://ph.test"}, f"http://u:{_KEY}%E2%82%AC@127.0.0.1:9", "UnicodeEncodeError"),
        ({"host": "http://ph.test"}, f"http://u:{_KEY}:x@127.0.0.1:99999", "InvalidURL"),
        ({"host": "http://127.0.0.1:9", "session": object()}, None, "AttributeError"),
    ],
    ids=["empty label", "long label", "proxy password", "proxy URL", "session"],
)
def test_an_attempt_that_raises_causes_one_warning(  # noqa: PLR0913, PLR0917  # fixtures
    make_log: MakeLog,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    arguments: dict[str, Any],
    proxy: str | None,
    failure: str,
) -> None:
    """If an attempt raises, the warning contains the exception's type, and never a password."""
    caplog.set_level(logging.DEBUG, logger=_LOGGER)
    if proxy:
        monkeypatch.setenv("http_proxy", proxy)
    exporter = PostHogLogExporter(api_key=_KEY, timeout=0.3, **arguments)
    of_the_session = ["'session' is no requests.Session"] if "session" in arguments else []
    assert len(warnings_in(caplog)) == len(of_the_session)
    for _ in range(2):
        exporter.export([make_log()])
    assert (exporter.stats.failed, exporter.failure) == (2, failure)
    for warning, words in zip(warnings_in(caplog), [*of_the_session, f"({failure})"], strict=True):
        assert words in warning
    assert _KEY not in caplog.text


def test_an_export_that_makes_no_request_causes_one_warning(
    server: CaptureServer,
    make_log: MakeLog,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """If no request is possible at all, the exporter warns once, unless the caller repeats exports itself."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.posthog._sender", None)
    caplog.set_level(logging.DEBUG, logger=_LOGGER)
    for retry, expected in ((False, 0), (True, 1)):
        exporter = PostHogLogExporter(api_key=_KEY, host=server.url, retry=retry)
        for _ in range(2):
            exporter.export([make_log()])
        assert len(warnings_in(caplog)) == expected
    assert "(ModuleNotFoundError)" in warnings_in(caplog)[0]
    assert caplog.text.count("Traceback") == 4  # at DEBUG, as the warning says


class _UnprintableError(Exception):
    __cause__ = property(lambda _: 1 / 0)  # type: ignore[assignment]  # a hostile exception


def test_an_exception_without_a_traceback_text_does_not_reach_the_application(
    server: CaptureServer, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that cannot even be formatted for the log does not reach the application."""

    def fail(_: object) -> None:
        raise _UnprintableError

    monkeypatch.setattr(PostHogLogExporter, "_get_sender", fail)
    exporter = PostHogLogExporter(api_key=_KEY, host=server.url)
    try:
        exporter.export([make_log()])
    except ZeroDivisionError as error:  # pytest cannot print it either
        error.__context__ = None
        raise
    assert (exporter.stats.failed, exporter.failure) == (1, "_UnprintableError")


def test_http_101_is_not_a_redirect(caplog: pytest.LogCaptureFixture) -> None:
    """HTTP 101, from a server that speaks another protocol, counts as rejected, not as redirected."""
    assert warn_of_refusal(101, "http://127.0.0.1:9/batch/", "") == "rejected"
    (warning,) = warnings_in(caplog)
    assert "redirect" not in warning
    assert "HTTP 101" in warning


@pytest.mark.parametrize("bad", ["odrers", 7, lambda _: 1 / 0], ids=["a typo", "a number", "raises"])
@pytest.mark.parametrize("exporter", [PostHogLogExporter, PostHogSpanExporter])
def test_an_unusable_filter_causes_a_warning(  # noqa: PLR0913, PLR0917  # fixtures
    server: CaptureServer,
    make_log: MakeLog,
    make_span: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    exporter: Any,
    bad: Any,
) -> None:
    """With a filter that is invalid, or raises for each record, nothing is sent, and a warning names it."""
    built = exporter(api_key=_KEY, host=server.url, filter=bad)
    assert ["nothing is exported" in text for text in warnings_in(caplog)] == [True] * (not callable(bad))
    for _ in range(2):
        built.export([make_log() if exporter is PostHogLogExporter else make_span()])
    assert server.events == []
    assert built.stats.dropped == {"filter_failed": 2}
    assert "'filter'" in warnings_in(caplog)[0]
    assert len(warnings_in(caplog)) <= 2


@pytest.mark.parametrize(
    ("strict", "named"),
    [
        ({"events": "cart.*"}, "OTEL_EXPORTER_POSTHOG_EVENTS"),
        ({"filter": lambda _: False}, "'filter'"),
        ({"before_send": lambda _: None}, "'before_send'"),
    ],
    ids=["events", "filter", "before_send"],
)
def test_a_setting_that_keeps_no_record_causes_one_warning(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, strict: Any, named: str
) -> None:
    """A warning names a setting that kept none of 1000 records, but not after fewer, or if it kept one."""
    batch = [make_log({"n": number}) for number in range(500)]
    keeping = PostHogLogExporter(api_key=_KEY, host=server.url, events=("order.*", "cart.*"))
    keeping.export([make_log()])
    never = PostHogLogExporter(api_key=_KEY, host=server.url, **strict)
    for _ in range(2):
        keeping.export([make_log(event_name="other")] * 1000)
        never.export(batch)
    assert warnings_in(caplog) == []
    for _ in range(2):
        never.export(batch)
    (warning,) = warnings_in(caplog)
    assert named in warning
    assert "first 1000 records" in warning


def test_local_roots_may_keep_no_span(
    server: CaptureServer, make_span: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """`local_roots` may keep no span without a warning, because a root ends last; `before_send` may not."""
    child = make_span(parent=make_span().context)
    exporter = PostHogSpanExporter(api_key=_KEY, host=server.url, before_send=lambda _: None)
    exporter.export([child] * 2000)
    assert exporter.stats.dropped == {"filtered": 2000}
    assert warnings_in(caplog) == []
    for _ in range(2):
        exporter.export([make_span()] * 1000)
    assert "'before_send'" in warnings_in(caplog)[0]


def test_an_unusable_before_send_causes_a_warning(
    make_log: MakeLog, caplog: pytest.LogCaptureFixture
) -> None:
    """A `before_send` that is not callable, or raises for each record, causes a warning."""
    for bad in (lambda _: 1 / 0, 7):
        exporter = PostHogLogExporter(api_key=_KEY, host="http://127.0.0.1:9", before_send=bad)  # type: ignore[arg-type]
        exporter.export([make_log()])
    assert len([text for text in warnings_in(caplog) if "'before_send'" in text]) == 2


def test_an_unknown_setting_causes_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A setting that this release does not know causes a warning, and the exporter is built."""
    assert PostHogLogExporter(api_key=_KEY, redakt=True).stats.exported == 0
    assert "'redakt'" in warnings_in(caplog)[0]


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
        ("https://eu.posthog.com/project/7", "https://eu.posthog.com", 1),
        ("https://ph.example.com/batch/", "https://ph.example.com", 1),
        ("https://ph.example.com/e/batch", "https://ph.example.com/e", 1),
        ("https://ph.example.com/i/v0/e", "https://ph.example.com", 1),
        ("http://127.0.0.1:8000/ingest/", "http://127.0.0.1:8000/ingest", 0),
    ],
)
def test_hosts_are_corrected(caplog: pytest.LogCaptureFixture, host: str, meant: str, warnings: int) -> None:
    """The exporter corrects an endpoint's path and spellings of PostHog Cloud; wrong ones cause a warning."""
    assert PostHogLogExporter(api_key=_KEY, host=host)._config.host == meant
    assert len(warnings_in(caplog)) == warnings


def test_each_export_logs_one_line_at_debug(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Each export logs its result in one line at DEBUG."""
    caplog.set_level(logging.DEBUG, logger=_LOGGER)
    exporter = PostHogLogExporter(api_key=_KEY, host=server.url)
    for _ in range(3):
        exporter.export([make_log()])
    lines = [record.getMessage() for record in caplog.records if record.name == _LOGGER]
    assert len(lines) == 3
    assert all(line.startswith("export of 1 records in ") and line.endswith("done") for line in lines)
    server.answer(Answer(status=503))
    PostHogLogExporter(api_key=_KEY, host=server.url, retry=False).export([make_log()])
    assert caplog.messages[-1].endswith("failed: HTTP 503")


def test_a_filter_for_spans_is_invalid_for_log_records(caplog: pytest.LogCaptureFixture) -> None:
    """For log records, `all` is the only named filter."""
    PostHogLogExporter(api_key=_KEY, filter="local_roots")
    assert "one of 'all', so nothing is exported" in warnings_in(caplog)[0]


@pytest.mark.parametrize("arguments", [{}, {"api_key": _KEY}], ids=["unconfigured", "nothing to send"])
def test_an_export_of_nothing_logs_nothing(
    server: CaptureServer, make_log: MakeLog, caplog: pytest.LogCaptureFixture, arguments: dict[str, Any]
) -> None:
    """An export that sends nothing logs nothing: if its line were exported, it would cause another line."""
    caplog.set_level(logging.DEBUG, logger=_LOGGER)
    exporter = PostHogLogExporter(host=server.url, **arguments)
    caplog.clear()
    exporter.export([make_log(event_name="")])
    exporter.shutdown()
    exporter.export([make_log()])
    assert caplog.records == []

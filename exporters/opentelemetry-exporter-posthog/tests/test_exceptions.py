"""Exceptions in error tracking: opt-in, equal to those of PostHog's own client, each sent once."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import traceback
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import posthog
import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanContext, Status, StatusCode

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog._exceptions import Seen
from opentelemetry.exporter.posthog._mapper import Mapper
from opentelemetry.exporter.posthog._stacktrace import parse
from opentelemetry.exporter.posthog.mapping import MappingOptions, body, log_events, span_events
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer, check_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OrderError(Exception):
    """An exception of this module: a traceback writes the module before the name."""

    class Inner(Exception):  # noqa: N818  # its qualified name has a dot
        """A nested exception class."""


def _fail_deeply(depth: int) -> None:
    if depth:
        _fail_deeply(depth - 1)
    else:
        json.loads("{")  # this frame is not the application's


def _fail(kind: str) -> None:
    try:
        try:
            _fail_deeply(6)
        except ValueError as error:
            raise KeyError("k") from error
    except KeyError:
        if kind == "context":
            raise OrderError.Inner("two\nlines")  # noqa: B904  # the chain is a context, not a cause
        if kind == "empty":
            raise OrderError from None
        raise


def _theirs(server: CaptureServer, error: BaseException) -> Any:
    """Return the exception list that posthog-python builds from `error`."""
    client = posthog.Posthog("phc_theirs", host=server.url, sync_mode=True)
    client.capture_exception(error, distinct_id="u1")
    return server.events[-1]["properties"]["$exception_list"]


def _compared(exceptions: list[dict[str, Any]]) -> list[Any]:
    """Return what must be equal: types, values, links, and each frame's function, line and file."""
    return [
        (
            *(one[key] for key in ("type", "value", "module")),
            {
                key: one["mechanism"].get(key)
                for key in ("type", "source", "exception_id", "parent_id", "handled")
            },
            [
                tuple(
                    frame[key] for key in ("function", "lineno", "filename", "abs_path", "module", "platform")
                )
                for frame in one.get("stacktrace", {}).get("frames", [])
            ],
        )
        for one in exceptions
    ]


_needs_current_posthog = pytest.mark.skipif(
    not hasattr(importlib.import_module("posthog.exception_utils"), "_exceptions_from_error"),
    reason="older releases of posthog-python list the causes first",
)


@pytest.fixture
def logger(server: CaptureServer) -> Iterator[logging.Logger]:
    """Yield a logger of `logging` whose records go to the fake PostHog."""
    try:
        from opentelemetry.instrumentation.logging.handler import LoggingHandler
    except ImportError:  # the oldest releases have it in the SDK
        from opentelemetry.sdk._logs import LoggingHandler  # type: ignore[assignment]
    provider = LoggerProvider(shutdown_on_exit=False)
    exporter = PostHogLogExporter(api_key="phc_test", host=server.url, exceptions=True)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    handler = LoggingHandler(logger_provider=provider)
    found = logging.getLogger("shop.exceptions")
    found.addHandler(handler)
    yield found
    found.removeHandler(handler)
    provider.shutdown()


@_needs_current_posthog
@pytest.mark.parametrize("kind", ["cause", "context", "empty"])
def test_a_logged_exception_equals_that_of_posthogs_client(
    server: CaptureServer, logger: logging.Logger, kind: str
) -> None:
    """`logger.exception()` sends an `$exception` with the same chain and frames as posthog-python."""
    try:
        _fail(kind)
    except Exception as error:  # what the test is about
        logger.exception("it failed", extra={"user.id": "u-17"})
        expected = _theirs(server, error)
    event = server.events[0]
    assert event["event"] == "$exception"
    assert event["distinct_id"] == "u-17"
    assert event["properties"]["$exception_level"] == "error"
    assert _compared(event["properties"]["$exception_list"]) == _compared(expected)
    frames = event["properties"]["$exception_list"][-1]["stacktrace"]["frames"]
    assert [frame["in_app"] for frame in frames[:2]] == [True, True]
    assert check_batch(server.requests[0].body) == []


@_needs_current_posthog
def test_an_exception_of_a_failed_span(server: CaptureServer) -> None:
    """A span that ends in an error sends its event, and an event for each exception that it recorded."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = PostHogSpanExporter(api_key="phc_test", host=server.url, exceptions=True)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")
    with pytest.raises(OrderError.Inner) as raised, tracer.start_as_current_span("POST /orders") as span:  # noqa: PT012
        span.set_attribute("user.id", "u-17")
        _fail("context")
    with tracer.start_as_current_span("GET /") as fine:
        fine.record_exception(ValueError("handled"))
    provider.shutdown()
    theirs = _compared(_theirs(server, raised.value))
    names = [event["event"] for event in server.events]
    assert names == ["POST /orders", "$exception", "GET /", "$exception"]  # the last is posthog-python's
    ours = _compared(server.events[1]["properties"]["$exception_list"])
    assert [one[:4] for one in ours] == [one[:4] for one in theirs]
    assert [one[4][-1] for one in ours] == [
        one[4][-1] for one in theirs
    ]  # the span's stack also has OTel's own frames
    assert server.events[1]["distinct_id"] == "u-17"
    assert exporter.stats.exported == 3


def test_the_uuid_comes_from_span_and_index(make_span: Callable[..., Any]) -> None:
    """Exporting a span again repeats its uuids; each of its exceptions has a different uuid."""
    from opentelemetry.sdk.trace import Event
    from opentelemetry.trace.status import Status, StatusCode

    same = Event("exception", {"exception.type": "ValueError", "exception.message": "x"}, timestamp=10**18)
    span = make_span(status=Status(StatusCode.ERROR), events=[same, Event("retry", {}), same])
    options = MappingOptions(exceptions=True)
    first, second = (
        [json.loads(event)["uuid"] for event in span_events([span], options).events] for _ in range(2)
    )
    assert first == second
    assert len(set(first)) == 3


def test_an_exception_that_left_its_span_is_unhandled(server: CaptureServer) -> None:
    """An exception whose `exception.escaped` is true is sent as unhandled."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = PostHogSpanExporter(api_key="phc_test", host=server.url, exceptions=True)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.raises(KeyError), provider.get_tracer("shop").start_span("POST /orders") as span:  # noqa: PT012
        span.record_exception(ValueError("another"))
        _fail("cause")
    provider.shutdown()
    lists = [event["properties"]["$exception_list"] for event in server.events[1:]]
    assert [(one[0]["type"], one[0]["mechanism"]["handled"]) for one in lists] == [
        ("ValueError", True),
        ("KeyError", False),
    ]


def test_an_exception_on_span_and_record_is_sent_once(server: CaptureServer, logger: logging.Logger) -> None:
    """An exception logged within a span is not sent again for the span; the span's other exceptions are."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = PostHogSpanExporter(api_key="phc_test", host=server.url, exceptions=True)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with (  # noqa: PT012
        pytest.raises(KeyError),
        provider.get_tracer("shop").start_as_current_span("POST /orders") as span,
    ):
        span.record_exception(ValueError("another"))
        try:
            _fail("cause")
        except KeyError:
            logger.exception("it failed")
            raise
    provider.shutdown()
    sent = [event["properties"].get("$exception_list", [{}])[0].get("type") for event in server.events]
    assert sorted(sent, key=str) == ["KeyError", None, "ValueError"]


def test_a_record_that_repeats_the_exception_of_a_span_is_counted(make_log: Callable[..., Any]) -> None:
    """A record that contains only an exception which its span has sent is no event, but counts as dropped."""
    seen = Seen()
    options = MappingOptions(exceptions=True)
    details = {"exception.type": "KeyError", "exception.message": "'a'"}
    span = ReadableSpan(
        "POST /orders",
        context=SpanContext(0xABC, 1, is_remote=False),
        resource=Resource({}),
        events=[Event("exception", details)],
        status=Status(StatusCode.ERROR),
    )
    assert len(Mapper(options, "span", seen=seen).map([span]).events) == 2
    of_span = {"trace_id": 0xABC, "span_id": 1}
    bare, named = (make_log(dict(details), event_name=name, **of_span) for name in (None, "order.failed"))
    mapped = Mapper(options, "log", seen=seen).map([bare, named])
    assert [json.loads(event)["event"] for event in mapped.events] == ["order.failed"]
    assert mapped.dropped == {"duplicate_exception": 1}


def test_few_exceptions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the latest exceptions are remembered, so the memory of a long process does not grow."""
    monkeypatch.setattr("opentelemetry.exporter.posthog._exceptions._REMEMBERED", 2)
    seen = Seen()

    def was_sent(kind: str, signal: str) -> bool:
        exception: Any = (SimpleNamespace(trace_id=1), {"$exception_list": [{"type": kind, "value": ""}]})
        return seen.was_sent_by_other_signal(exception, signal, [])

    assert [was_sent(kind, "log") for kind in "ABC"] == [False, False, False]
    assert [was_sent(kind, "span") for kind in "CBA"] == [True, True, False]


def test_equal_exceptions_outside_a_trace_are_all_sent(make_log: Callable[..., Any]) -> None:
    """Exceptions without a trace are never duplicates, and each has its own uuid, or that of its record."""
    uid = "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b"
    details = {"exception.type": "KeyError"}
    options, seen = MappingOptions(exceptions=True), Seen()
    for name, expected in ((None, 2), ("a", 4)):
        records = [make_log(dict(details), event_name=name) for _ in range(2)]
        events = Mapper[Any](options, "log", seen=seen).map(records).events
        assert len({json.loads(event)["uuid"] for event in events}) == len(events) == expected
    (event,) = log_events([make_log({**details, "log.record.uid": uid}, event_name=None)], options).events
    assert json.loads(event)["uuid"] == uid
    lone = ReadableSpan("a", events=[Event("exception", details)], status=Status(StatusCode.ERROR))
    assert len(Mapper[Any](options, "span", seen=seen).map([lone]).events) == 2


@pytest.mark.parametrize(
    ("written", "message", "value"),
    [
        ("E", "m", "m"),
        ("E: m\nits note", "m", "m"),
        ("E: other", "m", "other"),
        ("E: \nits note", "", "\nits note"),
    ],
)
def test_the_message_of_the_record_is_without_notes(
    make_log: Callable[..., Any], written: str, message: str, value: str
) -> None:
    """The record's message replaces that of the stack trace only if this has none, or adds notes to it."""
    attributes = {
        "exception.message": message,
        "exception.stacktrace": f"Traceback (most recent call last):\n{written}",
    }
    (event,) = log_events([make_log(attributes, event_name=None)], MappingOptions(exceptions=True)).events
    assert json.loads(event)["properties"]["$exception_list"][0]["value"] == value


@pytest.mark.parametrize("status", [503, 401])
def test_an_exception_that_the_log_exporter_could_not_send_is_sent_for_the_span(status: int) -> None:
    """If the export of a record fails or is refused, the exception is not lost: the span exporter sends it."""
    with CaptureServer() as down, CaptureServer() as server:
        down.answer_always(Answer(status=status))
        provider = TracerProvider(shutdown_on_exit=False)
        spans = PostHogSpanExporter(api_key="phc_test", host=server.url, exceptions=True)
        provider.add_span_processor(SimpleSpanProcessor(spans))
        log_provider = LoggerProvider(shutdown_on_exit=False)
        logs = PostHogLogExporter(api_key="phc_test", host=down.url, exceptions=True, retry=False)
        log_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
        with pytest.raises(KeyError), provider.get_tracer("shop").start_as_current_span("POST /orders"):  # noqa: PT012
            try:
                _fail("cause")
            except KeyError as error:
                log_provider.get_logger("shop").emit(
                    event_name="order.failed",
                    attributes={"exception.type": "KeyError", "exception.message": str(error)},
                )
                raise
        log_provider.shutdown()
        provider.shutdown()
    assert (logs.stats.exported, logs.stats.failed + sum(logs.stats.dropped.values())) == (0, 2)
    assert sorted(event["event"] for event in server.events) == ["$exception", "POST /orders"]


def test_an_exception_whose_event_is_invalid_is_sent_for_the_other_signal(
    make_log: Callable[..., Any],
) -> None:
    """If `before_send` makes the event of an exception invalid, the other signal may send the exception."""
    seen = Seen()
    log = make_log({"exception.type": "KeyError"}, trace_id=0xABC, event_name=None)
    invalid = MappingOptions(exceptions=True, before_send=lambda event: {**event, "distinct_id": ""})
    assert Mapper(invalid, "log", seen=seen).map([log]).dropped == {"invalid": 1}
    span = ReadableSpan(
        "POST /orders",
        context=SpanContext(0xABC, 1, is_remote=False),
        resource=Resource({}),
        events=[Event("exception", {"exception.type": "KeyError"})],
        status=Status(StatusCode.ERROR),
    )
    assert len(Mapper(MappingOptions(exceptions=True), "span", seen=seen).map([span]).events) == 2


def test_before_send_may_drop_one_exception_of_several(make_span: Callable[..., Any]) -> None:
    """If `before_send` drops one exception of a span, the span's other events are sent."""

    def drop_value_errors(event: dict[str, Any]) -> dict[str, Any] | None:
        exceptions = event["properties"].get("$exception_list", [{}])
        return None if exceptions[0].get("type") == "ValueError" else event

    events = [Event("exception", {"exception.type": kind}) for kind in ("ValueError", "KeyError")]
    span = make_span(events=events, status=Status(StatusCode.ERROR))
    options = MappingOptions(exceptions=True, before_send=drop_value_errors)
    mapped = span_events([span], options)
    assert [json.loads(event)["event"] for event in mapped.events] == ["checkout", "$exception"]
    assert mapped.dropped == {}


def test_without_opt_in_no_message_or_stack_trace_is_sent(
    make_log: Callable[..., Any], make_span: Callable[..., Any]
) -> None:
    """Without `exceptions=True`, no event has a message or stack trace, and unnamed records are dropped."""
    from opentelemetry.sdk.trace import Event
    from opentelemetry.trace.status import Status, StatusCode

    attributes = {
        "exception.type": "ValueError",
        "exception.message": "card 4111",
        "exception.stacktrace": "Traceback of card 4111",
    }
    logs = log_events([make_log(attributes), make_log(attributes, event_name=None)])
    span = make_span(status=Status(StatusCode.ERROR, "card 4111"), events=[Event("exception", attributes)])
    spans = span_events([span])
    assert logs.dropped == {"no_name": 1}
    assert len(spans.events) == 1
    for event in [*logs.events, *spans.events]:
        assert b"4111" not in event


def test_a_named_record_stays_an_event(make_log: Callable[..., Any]) -> None:
    """A record with its own name becomes an event and an exception; one named `exception` only the latter."""
    attributes = {"exception.type": "ValueError", "exception.message": "secret", "log.record.uid": "a-17"}
    options = MappingOptions(exceptions=True, event_names={"alias": "$exception"})
    for name, expected in (
        ("order.failed", ["order.failed", "$exception"]),
        ("exception", ["$exception"]),
        (None, ["$exception"]),
        ("alias", ["$exception"]),
    ):
        mapped = log_events([make_log(dict(attributes), event_name=name)], options)
        events = [json.loads(event) for event in mapped.events]
        assert [event["event"] for event in events] == expected
        assert len({event["uuid"] for event in events}) == len(events)
        assert mapped.dropped == {}
        assert check_batch(body(mapped.events, api_key="phc_a", sent_at="2026-01-01T00:00:00Z")) == []


def test_a_bare_exception_is_not_sent(make_log: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """A record that only `event_names` maps to `$exception` is counted; one warning names the remedy."""
    mapped = log_events([make_log(), make_log()], MappingOptions(event_names={"order.placed": "$exception"}))
    assert mapped.events == []
    assert mapped.dropped == {"bare_exception": 2}
    assert [(one.name, "exceptions=True" in one.message) for one in caplog.records] == [
        ("opentelemetry.exporter.posthog", True)
    ]


@pytest.mark.parametrize(
    ("severity", "level"),
    [(1, "debug"), (9, "info"), (13, "warning"), (17, "error"), (24, "fatal"), (None, "error")],
)
def test_the_severity_sets_the_level(make_log: Callable[..., Any], severity: int | None, level: str) -> None:
    """The severity of a log record sets the exception's level in PostHog."""
    record = make_log({"exception.message": "x"}, event_name=None, severity_number=severity)
    (event,) = log_events([record], MappingOptions(exceptions=True)).events
    assert json.loads(event)["properties"]["$exception_level"] == level
    assert json.loads(event)["properties"]["$exception_list"][0]["type"] == "Exception"


@_needs_current_posthog
@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups need Python 3.11")
def test_exception_groups_equal_those_of_posthogs_client(server: CaptureServer) -> None:
    """The members of a group, nested or not, are listed after it, each with its own frames."""
    members: list[Exception] = []
    for kind in ("cause", "context"):
        try:
            _fail(kind)
        except Exception as error:  # noqa: BLE001, PERF203  # what the test is about
            members.append(error)
    nested = ExceptionGroup("inner", [TypeError("t"), members[1]])  # type: ignore[name-defined]  # noqa: F821  # 3.11
    try:
        raise ExceptionGroup("outer", [members[0], nested])  # type: ignore[name-defined]  # noqa: F821, TRY301  # 3.11
    except Exception as error:  # noqa: BLE001  # what the test is about
        text = "".join(traceback.format_exception(error))
        expected = _theirs(server, error)

    def of(exceptions: list[dict[str, Any]]) -> list[Any]:
        return [
            (
                one["type"].rpartition(".")[2],
                one["mechanism"].get("parent_id"),
                [frame["lineno"] for frame in one.get("stacktrace", {}).get("frames", [])],
            )
            for one in exceptions
        ]

    assert of(parse(text)) == of(expected)


def test_recursion_is_bounded() -> None:
    """A stack trace that claims millions of repeated calls yields a bounded number of frames."""
    frame = '  File "a.py", line 1, in f\n    f()\n  [Previous line repeated 987654321 more times]\n'
    (raised,) = parse(f"Traceback (most recent call last):\n{frame * 3}RecursionError: too deep\n")
    assert raised["value"] == "too deep"
    assert len(raised["stacktrace"]["frames"]) == 200


@pytest.mark.parametrize(("exceptions", "path"), [(1, "a" * 5_000), (10, "a" * 250), (40, "a" * 250)])
def test_a_long_chain_is_cut_by_whole_frames(
    make_log: Callable[..., Any], exceptions: int, path: str
) -> None:
    """To fit, a chain loses outer frames: each exception stays, with the frame that raised it."""
    calls = "".join(f'  File "/{path}", line {line}, in f\n    f()\n' for line in range(1, 201))
    link = "\nThe above exception was the direct cause of the following exception:\n\n"
    raised = [f"Traceback (most recent call last):\n{calls}E{place}: x" for place in range(exceptions)]
    attributes = {"exception.type": "E", "exception.message": "", "exception.stacktrace": link.join(raised)}
    (event,) = log_events([make_log(attributes, event_name=None)], MappingOptions(exceptions=True)).events
    assert check_batch(body([event], api_key="phc_a", sent_at="2026-01-01T00:00:00Z")) == []
    properties = json.loads(event)["properties"]
    assert properties["posthog.cut"] is True
    found = properties["$exception_list"]
    assert [one["type"] for one in found] == [f"E{place}" for place in reversed(range(exceptions))]
    for one in found:
        lines = [frame["lineno"] for frame in one["stacktrace"]["frames"]]
        assert len(lines) > 0
        assert lines == list(range(201 - len(lines), 201))


def test_the_strictest_cut_keeps_whole_exceptions(make_log: Callable[..., Any]) -> None:
    """At the strictest limit, the outermost exceptions of a chain are kept, each of them whole."""
    link = "\nDuring handling of the above exception, another exception occurred:\n\n"
    raised = [
        f'Traceback (most recent call last):\n  File "/a", line 1, in f\nE{place}: x' for place in range(50)
    ]
    attributes = {f"k{number}": "x" * 1_000 for number in range(1_500)}
    attributes |= {"exception.type": "E", "exception.stacktrace": link.join(raised)}
    (event,) = log_events([make_log(attributes, event_name=None)], MappingOptions(exceptions=True)).events
    assert check_batch(body([event], api_key="phc_a", sent_at="2026-01-01T00:00:00Z")) == []
    assert [one["type"] for one in json.loads(event)["properties"]["$exception_list"]] == [
        "E49",
        "E48",
        "E47",
        "E46",
    ]


def test_a_loaded_module_with_a_capital_letter_is_no_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """The type of an exception is split after its module, even if that begins with a capital letter (`PIL`)."""
    monkeypatch.setitem(sys.modules, "Shop", sys)
    (raised,) = parse("Shop.Order.Failed: x")
    assert (raised["module"], raised["type"]) == ("Shop", "Order.Failed")


def test_a_repeated_line_needs_a_frame() -> None:
    """A text that only looks like a traceback loses what cannot be parsed, not the exception."""
    (raised,) = parse("Traceback (most recent call last):\n  [Previous line repeated 3 more times]\nE: x")
    assert (raised["type"], raised["value"], raised.get("stacktrace")) == ("E", "x", None)


def test_a_long_dotted_name_is_parsed_in_one_pass() -> None:
    """A long text with dots, such as another language's trace, is parsed once, not again from each dot."""
    text = "a." * 400_000 + "b: x"
    (raised,) = parse(text)
    assert (raised["type"], raised["value"]) == ("b", "x")

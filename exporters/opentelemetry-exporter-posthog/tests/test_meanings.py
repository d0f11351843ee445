"""Sessions, groups, person properties, filters, `before_send` and redaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from opentelemetry.exporter.posthog import PostHogLogExporter, PostHogSpanExporter
from opentelemetry.exporter.posthog.mapping import MappingOptions, body, log_events, span_events
from opentelemetry.exporter.posthog.testing import CaptureServer, check_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeLog = Callable[..., Any]
    MakeSpan = Callable[..., Any]

_SESSION = "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b"


def _event(record: Any, **options: Any) -> dict[str, Any]:
    """Map one log record, check its batch, and return its event."""
    mapped = log_events([record], MappingOptions(**options))
    assert check_batch(body(mapped.events, api_key="phc_a", sent_at="2026-01-01T00:00:00Z")) == []
    event: dict[str, Any] = json.loads(mapped.events[0])
    return event


def test_a_session_id_must_be_a_uuidv7(make_log: MakeLog) -> None:
    """`session.id` becomes `$session_id` if it is a UUIDv7, and else stays a property."""
    records = [make_log({"session.id": one}) for one in (_SESSION, [_SESSION])]
    for record in (*records, make_log(resource={"session.id": _SESSION})):
        known = _event(record)["properties"]
        assert known["$session_id"] == _SESSION
        assert "session.id" not in known
    for other in ("cookie", "b0b7c6d2-5a3e-4b43-9b7a-0c8d6f5e1a11", 7, None, [_SESSION, _SESSION]):
        properties = _event(make_log({"session.id": other}))["properties"]
        assert "$session_id" not in properties
        assert properties["session.id"] == other
    assert "$session_id" not in _event(make_log({"session.id": _SESSION}), conventions=False)["properties"]


def test_groups(make_log: MakeLog, make_span: MakeSpan) -> None:
    """Groups come from `group_attributes` and `posthog.group.<type>`, of record or span, else of resource."""
    groups = {"company": "tenant.id", "region": "cloud.region"}
    resource = {"posthog.group.team": "red", "posthog.group.plan": "free", "cloud.region": "eu"}
    attributes = {
        "tenant.id": 17.0,
        "posthog.group.team": "blue",
        "posthog.group.": "x",
        "posthog.group.no": None,
    }
    properties = _event(make_log(attributes, resource=resource), group_attributes=groups)["properties"]
    assert properties["$groups"] == {"company": "17", "region": "eu", "team": "blue", "plan": "free"}
    assert properties["tenant.id"] == 17
    assert not [name for name in properties if name.startswith("posthog.")]
    (event,) = span_events([make_span(attributes)], MappingOptions(group_attributes=groups)).events
    assert json.loads(event)["properties"]["$groups"] == {"company": "17", "team": "blue"}
    named = {"posthog.group.company": "of-resource", "posthog.group.region": "of-resource"}
    properties = _event(make_log(attributes, resource=named), group_attributes=groups)["properties"]
    assert properties["$groups"] == {"company": "17", "region": "of-resource", "team": "blue"}
    both = {"tenant.id": "mapped", "posthog.group.company": "named"}
    properties = _event(make_log(both, resource=named), group_attributes=groups)["properties"]
    assert properties["$groups"] == {"company": "named", "region": "of-resource"}
    off = _event(make_log(attributes), group_attributes=groups, conventions=False)["properties"]
    assert "$groups" not in off
    assert off["posthog.group.team"] == "blue"


def test_person_properties_need_a_person(make_log: MakeLog) -> None:
    """Person properties need `person_profiles` and an id; otherwise they are left out and counted."""
    attributes = {"user.id": "u1", "posthog.set.plan": "pro", "posthog.set_once.first": [1, {"a": 2}]}
    record = make_log(attributes)
    kept = _event(record, person_profiles=True)["properties"]
    assert (kept["$set"], kept["$set_once"]) == ({"plan": "pro"}, {"first": [1, {"a": 2}]})
    for lone, options in ((record, {}), (make_log({"posthog.set.plan": "pro"}), {"person_profiles": True})):
        mapped = log_events([lone], MappingOptions(**options))
        assert mapped.changed == {"person_properties": 1}
        assert b'"pro"' not in mapped.events[0]


@pytest.mark.parametrize(
    "attributes",
    [
        {"plan": {"a": 1}},
        {"plan": {"a": 1}, "session.id": _SESSION},
        {"posthog.set.a": 1, "session.id": _SESSION},
    ],
)
def test_an_event_without_a_person_keeps_its_other_properties(
    make_log: MakeLog, attributes: dict[str, Any]
) -> None:
    """Only person properties are left out, also those that `property_names` maps to `$set`."""
    options = MappingOptions(person_profiles=True, property_names={"plan": "$set"})
    mapped = log_events([make_log({**attributes, "n": 1})], options)
    properties = json.loads(mapped.events[0])["properties"]
    assert (properties["n"], "$set" in properties) == (1, False)
    assert properties.get("$session_id") == attributes.get("session.id")
    assert mapped.changed == {"person_properties": 1}


def test_trace_ids_have_posthogs_names_too(make_log: MakeLog) -> None:
    """`trace_context` also sends `$trace_id` and `$span_id`; with `conventions=False` only OTel's names."""
    record = make_log(trace_id=0xABC, span_id=1)
    properties = _event(record, trace_context=True)["properties"]
    assert properties["$trace_id"] == properties["trace_id"] == f"{0xABC:032x}"
    assert properties["$span_id"] == properties["span_id"] == f"{1:016x}"
    assert "$trace_id" not in _event(record, trace_context=True, conventions=False)["properties"]
    assert "$trace_id" not in _event(make_log(), trace_context=True)["properties"]


def test_each_argument_that_text_can_express_has_a_variable(
    server: CaptureServer, monkeypatch: pytest.MonkeyPatch, make_log: MakeLog
) -> None:
    """Each argument that text can express has a variable; spaces around its parts are ignored."""
    for name, value in {
        "GROUPS": " company = tenant.id , ",
        "EVENTS": "order.*, page.*",
        "EVENT_NAMES": "page.viewed=$pageview",
        "PROPERTY_NAMES": "path=$pathname,secret=",
        "DISTINCT_ID_ATTRIBUTES": "account",
        "PERSON_PROFILES": "True",
        "TRACE_CONTEXT": "true",
        "GEOIP": "true",
        "IP": "true",
        "REDACT": "false",
        "EXCEPTIONS": "true",
        "CONVENTIONS": "true",
        "RETRY": "false",
    }.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_POSTHOG_{name}", value)
    exporter = PostHogLogExporter(api_key="phc_a", host=server.url)
    attributes = {
        "account": "a-1",
        "tenant.id": "acme",
        "path": "/",
        "secret": 1,
        "client.address": "192.0.2.1",
    }
    exporter.export(
        [make_log(attributes, event_name="page.viewed", trace_id=1), make_log(event_name="other")]
    )
    (event,) = server.events
    assert (event["event"], event["distinct_id"]) == ("$pageview", "a-1")
    properties = {name: value for name, value in event["properties"].items() if not name.startswith("$lib")}
    assert properties == {
        "tenant.id": "acme",
        "$pathname": "/",
        "client.address": "192.0.2.1",
        "trace_id": f"{1:032x}",
        "span_id": f"{0:016x}",
        "$groups": {"company": "acme"},
        "$trace_id": f"{1:032x}",
        "$span_id": f"{0:016x}",
    }
    assert exporter.stats.dropped == {"filtered": 1}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("all", {"a", "chat", "b"}),
        ("local_roots", {"a"}),
        ("ai_spans", {"chat"}),
        ("not_ai_spans", {"a", "b"}),
    ],
)
def test_named_filters(server: CaptureServer, make_span: MakeSpan, name: str, expected: set[str]) -> None:
    """`filter` accepts the name of a built-in filter."""
    parent = make_span().context
    spans = [
        make_span(name="a"),
        make_span({"gen_ai.request.model": "m"}, name="chat", parent=parent),
        make_span(name="b", parent=parent),
    ]
    exporter = PostHogSpanExporter(api_key="phc_a", host=server.url, filter=name)
    exporter.export(spans)
    assert {event["event"] for event in server.events} == expected


def test_the_ai_filter_is_that_of_posthogs_processor(make_span: MakeSpan) -> None:
    """`ai_spans` keeps exactly the spans that PostHog's own processor sends, so each span is sent once."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from posthog.ai.otel import is_ai_span

    from opentelemetry.exporter.posthog._filters import ai_spans

    for name, key in (
        ("x", "a"),
        ("ai.x", "a"),
        ("x", "llm.a"),
        ("x", "traceloop.x"),
        ("gen_ai.", "b"),
        ("aix", "llm"),
    ):
        span = make_span({key: 1}, name=name)
        assert ai_spans(span) == is_ai_span(span)


def test_globs_choose_events_by_name(make_log: MakeLog) -> None:
    """`events` keeps records whose OTel name matches a glob; an unnamed record is counted as `no_name`."""
    names = ("order.placed", "Order.paid", "cart.filled", "x", None)
    records = [make_log(event_name=name) for name in names]
    mapped = log_events(
        records, MappingOptions(events=("order.*", "cart.*"), event_names={"order.placed": "o"})
    )
    assert [json.loads(event)["event"] for event in mapped.events] == ["o", "cart.filled"]
    assert mapped.dropped == {"filtered": 2, "no_name": 1}


@pytest.mark.parametrize("key", ["otel.event.name", "event.name"])
def test_records_of_logging_may_name_their_event(make_log: MakeLog, key: str) -> None:
    """If a record has no event name, this attribute names its event, and is not a property."""
    event = _event(make_log({key: "order.placed", "items": 3}, event_name=None))
    assert event["event"] == "order.placed"
    assert {name for name in event["properties"] if not name.startswith("$")} == {"items"}


def test_before_send_changes_or_drops_events(make_log: MakeLog) -> None:
    """`before_send` may change or drop an event; if it raises or makes the event invalid, that is counted."""

    def change(event: dict[str, Any]) -> Any:
        properties = event["properties"]
        properties["seen"] = True
        if properties["do"] == "raise":
            raise RuntimeError
        return {"drop": None, "spoil": {**event, "uuid": "none"}, "type": []}.get(properties["do"], event)

    records = [make_log({"do": what}) for what in ("keep", "drop", "spoil", "raise", "type")]
    mapped = log_events(records, MappingOptions(before_send=change))
    (event,) = mapped.events
    assert json.loads(event)["properties"]["seen"] is True
    assert mapped.dropped == {"before_send": 1, "invalid": 2, "before_send_failed": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"distinct_id": "anonymous"},
        {"distinct_id": None},
        {"event": " "},
        {"event": 7},
        {"uuid": ""},
        {"timestamp": "soon"},
        {"event": "$exception"},
        {"properties": []},
        {"properties": {"$geoip_disable": "yes"}},
        {"properties": {"$process_person_profile": False, "$set": {"plan": "pro"}}},
        {"properties": {"big": "x" * 950_000}},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_an_event_that_before_send_makes_invalid_is_dropped(
    make_log: MakeLog, changes: dict[str, Any]
) -> None:
    """An event that PostHog would reject after `before_send` is dropped, and counted as `invalid`."""
    mapped = log_events([make_log()], MappingOptions(before_send=lambda event: {**event, **changes}))
    assert mapped.events == []
    assert mapped.dropped == {"invalid": 1}


@pytest.mark.parametrize("lacking", ["filename", "in_app", "platform"])
def test_before_send_may_remove_parts_of_frames(make_log: MakeLog, lacking: str) -> None:
    """`before_send` may remove private parts of frames, such as paths: the exception is still sent."""
    stack = 'Traceback (most recent call last):\n  File "/home/me/a.py", line 1, in f\nE: x'

    def change(event: dict[str, Any]) -> Any:
        for one in event["properties"]["$exception_list"]:
            for frame in one["stacktrace"]["frames"]:
                del frame[lacking]
        return event

    record = make_log({"exception.type": "E", "exception.message": "x", "exception.stacktrace": stack})
    mapped = log_events([record], MappingOptions(exceptions=True, before_send=change))
    assert mapped.dropped == {}
    assert lacking not in mapped.events[-1].decode()


def test_before_send_may_return_anything(make_log: MakeLog) -> None:
    """An event without its fields is dropped and counted; a property without a name is left out."""
    mapped = log_events([make_log()], MappingOptions(before_send=lambda _: {}))
    assert (mapped.events, mapped.dropped) == ([], {"invalid": 1})
    properties = _event(make_log(), before_send=lambda event: {**event, "properties": {"": 1, "n": 2}})[
        "properties"
    ]
    assert properties == {"n": 2}


def test_the_patterns_of_names_do_not_choose_exceptions(make_log: MakeLog) -> None:
    """An exception is sent although no pattern matches the name of its record; a lack of a name is no mismatch."""
    records = [make_log({"exception.type": "E"}, event_name="order.failed"), make_log(event_name="")]
    mapped = log_events(records, MappingOptions(events=("cart.*",), exceptions=True))
    assert [json.loads(event)["event"] for event in mapped.events] == ["$exception"]
    assert mapped.dropped == {"no_name": 1}


@pytest.mark.parametrize("size", [1, 2_000_000])
def test_mapped_names_keep_their_rules(make_log: MakeLog, size: int) -> None:
    """A URL is cleaned under each name; PostHog's switches must be booleans; exceptions cannot be mapped."""
    names = {
        "page": "$current_url",
        "url.full": "link",
        "x": "$geoip_disable",
        "y": "$exception_list",
        "session.id": "sid",
    }
    attributes = {"page": "/a?hunter2", "url.full": "/b?hunter2", "x": "yes", "y": [], "session.id": _SESSION}
    for _ in range(2):
        record = make_log({**attributes, "text": "x" * size})
        properties = _event(record, property_names=names, geoip=True)["properties"]
        assert (properties["$current_url"], properties["link"], properties["sid"]) == ("/a", "/b", _SESSION)
        assert properties.keys().isdisjoint({"$geoip_disable", "$exception_list", "$session_id"})


def test_a_resource_attribute_mapped_to_set_needs_a_person() -> None:
    """A resource attribute that is mapped to `$set` is left out of an event that makes no person."""
    options = MappingOptions(person_profiles=True, property_names={"plan": "$set"})
    for attributes, is_sent in (({}, False), ({"user.id": "u1"}, True)):
        record = LogRecord(event_name="order.placed", attributes=attributes)
        (event,) = log_events([ReadableLogRecord(record, Resource({"plan": "pro"}))], options).events
        assert (b'"$set"' in event) is is_sent


_PRIVATE = {
    "url.query": "token=hunter2",
    "client.address": "hunter2",
    "net.peer.ip": "hunter2",
    "http.client_ip": "hunter2",
    "network.peer.address": "hunter2",
    "http.request.header.authorization": ("hunter2",),
    "http.response.header.set_cookie": ("hunter2",),
    "rpc.grpc.request.metadata.token": ("hunter2",),
    "db.query.text": "hunter2",
    "db.statement": "hunter2",
    "db.query.parameter.0": "hunter2",
    "enduser.id": "hunter2",
    "enduser.scope": "hunter2",
}
_URLS = {
    "url.full": "https://hunter2:hunter2@example.com:8443/a/b?token=hunter2#hunter2",
    "http.url": "https://hunter2@example.com/a",
    "http.target": "/a?token=hunter2",
    "$current_url": "example.com/a?hunter2",
    "my.link": "ftp://hunter2@example.com/a",
    "dsn": "jdbc:postgresql://hunter2:hunter2@db/a?password=hunter2",
    "links": ("https://example.com/a?hunter2", "plain?text"),
    "nested": {"deep": [{"url": "https://example.com/a?hunter2"}]},
    "body": "https://example.com/a?hunter2",
}


@pytest.mark.parametrize("size", [1, 2_000_000], ids=["small", "cut to fit"])
def test_private_attributes_are_left_out(make_log: MakeLog, size: int) -> None:
    """Headers, addresses, database queries and the secret parts of URLs are not sent, wherever they occur."""
    attributes = {
        **_PRIVATE,
        **_URLS,
        "text": "x" * size,
        "question": "a?b",
        "prose": "see https://example.com?a",
    }
    record = make_log(
        attributes, resource={"enduser.id": "hunter2", "origin": "https://hunter2@example.com/"}
    )
    event = _event(record, property_names={"$current_url": "$current_url"})
    assert "hunter2" not in json.dumps(event)
    properties = event["properties"]
    assert properties["url.full"] == "https://example.com:8443/a/b"
    assert properties["http.target"] == "/a"
    assert properties["$current_url"] == "example.com/a"
    assert properties["dsn"] == "jdbc:postgresql://db/a"
    assert properties["links"] == ["https://example.com/a", "plain?text"]
    assert properties["nested"] == {"deep": [{"url": "https://example.com/a"}]}
    assert (properties["question"], properties["prose"]) == ("a?b", "see https://example.com?a")
    assert not set(_PRIVATE) & set(properties)


@pytest.mark.parametrize(
    ("key", "url", "cleaned"),
    [
        ("url.full", "https://a:hunter2@example.com/a?q=green tea&token=hunter2", "https://example.com/a"),
        ("http.target", "/a?q=green tea&token=hunter2", "/a"),
        ("url.full", " https://a:hunter2@example.com ", "https://example.com"),
        ("url.full", "//a:hunter2@example.com/a?hunter2", "//example.com/a"),
        ("url.full", "https://a@b:hunter2@example.com/a@b", "https://example.com/a@b"),
        ("url.path", "/a//b@c", "/a//b@c"),
        ("url.full", "mailto:a@example.com", "mailto:a@example.com"),
        ("url.full", "https://a:hunter2@example.com/a b?token=hunter2", "https://example.com/a b"),
        ("my.link", "\thttps://a:hunter2@example.com/a?token=hunter2 ", "https://example.com/a"),
        ("my.link", "url=https://a:hunter2@example.com", "url=https://example.com"),
        ("my.link", "[https://a:hunter2@example.com/a?b]", "[https://example.com/a"),
        ("my.link", 'mongodb://a:hun,"{ter2@one,two:27017/a', "mongodb://one,two:27017/a"),
        ("my.link", "/login?next=https://a:hunter2@example.com", "/login"),
        ("dsn", "postgres://app:hun#ter2@example.com/a", "postgres://"),
        ("dsn", "postgres://app:hun?ter2@example.com/a", "postgres://"),
        ("dsn", "postgres://app:1?hunter2@example.com/a", "postgres://"),
        ("dsn", "redis://:hun/ter2@example.com:6379/0", "redis://"),
        ("dsn", "postgres://app:/hunter2@example.com/a", "postgres://"),
        ("dsn", "redis://:/hunter2@example.com/0", "redis://"),
        ("url.full", "http://example.com:3000?mail=hunter2@c", "http://example.com:3000"),
        ("url.full", "https://example.com:8443#hunter2@c", "https://example.com:8443"),
        ("dsn", "redis://:hunter2#@example.com?q=bob@hunter2", "redis://"),
        ("dsn", "postgres://app:hunter2\\@example.com/a", "postgres://example.com/a"),
        ("dsn", "postgres://app:hun\tter2@example.com/a", "postgres://example.com/a"),
        ("dsn", "postgres://app:hunter2\n@example.com/a\n", "postgres://example.com/a"),
        ("url.full", "https://app:hun#ter2 @example.com/a", "https://"),
        ("my.link", "https://example.com/a?b=hunter2@c", "https://example.com/a"),
        ("my.link", "https://example.com/a#hunter2@c", "https://example.com/a"),
        ("my.link", "https://example.com?b=hunter2@c", "https://example.com"),
        ("my.link", "https://example.com:8080/a?b=hunter2:c@d", "https://example.com:8080/a"),
        ("my.link", "https://[::1]:8080?b=hunter2@c", "https://[::1]:8080"),
        ("my.link", "http://example.com:3000/@vite/client", "http://example.com:3000/@vite/client"),
        ("my.link", "https://example.com/a:b@c", "https://example.com/a:b@c"),
        (
            "user_agent.original",
            "a bot (see http://example.com/bot?1)",
            "a bot (see http://example.com/bot?1)",
        ),
    ],
)
def test_the_secret_parts_of_a_url_are_removed(make_log: MakeLog, key: str, url: str, cleaned: str) -> None:
    """User, password, query and fragment are removed from a URL, even if it violates RFC 3986."""
    assert _event(make_log({key: url}))["properties"][key] == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "https://api.example.com refused bob@example.org: retry?",
        "https://example.com is down? Ask in #ops",
        "https://example.com\tbob@example.org",
        "https://example.com/?a=b\tin a table",
        "https://example.com/?a=b\tsecond",
        '{"link":"https://example.com","contact":"bob@example.org"}',
        '["https://example.com","bob@example.org"]',
        '["https://example.com:443","bob@example.org"]',
        "https://example.com failed: tell bob@example.org",
    ],
)
def test_a_text_that_is_more_than_a_url_is_unchanged(make_log: MakeLog, text: str) -> None:
    """A text that contains more than a URL is unchanged; an e-mail address in it is not taken for a host."""
    assert _event(make_log({"message": text}, body=text))["properties"]["message"] == text


@pytest.mark.parametrize(
    "text",
    [
        "a@" * 100_000 + ":// x",
        "https://" + "a" * 200_000 + " x",
        "a:" * 100_000 + "://@ x",
        "://" * 70_000,
        " " * 200_000 + "://" + " " * 200_000 + "x",
        "https://a?" + "#?" * 100_000,
        "https://" + "a:" * 100_000 + "/",
        "https://a:" + "9" * 200_000 + "?\t",
        "https://a:b/" + "@c:d/" * 50_000,
    ],
    ids=["@", "one word", "schemes", "://", "spaces", "?", ":", "port", "/@"],
)
def test_a_client_cannot_make_cleaning_slow(make_log: MakeLog, text: str) -> None:
    """A long text that is almost a URL, which any client can send as its user agent, is cleaned in one pass.

    A pattern that starts again at each character would take hours for each of these texts.
    """
    for key in ("user_agent.original", "url.full"):
        assert _event(make_log({key: text}))["properties"][key] != ""


def test_private_attributes_are_sent_on_request(make_log: MakeLog) -> None:
    """`redact=False` sends all private attributes; a mapping sends the one that it names."""
    properties = _event(make_log({**_PRIVATE, **_URLS}), redact=False)["properties"]
    assert properties["url.full"] == _URLS["url.full"]
    assert set(_PRIVATE) <= set(properties)
    mapped = _event(make_log(dict(_PRIVATE)), property_names={"enduser.id": "who"})["properties"]
    assert mapped["who"] == "hunter2"
    assert "db.statement" not in mapped


@pytest.mark.parametrize("key", ["url.path", "http.target", "url.full", "http.url"])
def test_a_route_with_parameters_replaces_the_path(make_log: MakeLog, make_span: MakeSpan, key: str) -> None:
    """If `http.route` names parameters, it replaces the path, which contains their values."""
    base = "https://example.com" if "." in key and key[-1] == "l" and "path" not in key else ""
    attributes = {"http.route": "/reset/{token}", key: f"{base}/reset/hunter2?a=b"}
    assert _event(make_log(attributes))["properties"][key] == f"{base}/reset/{{token}}"
    (event,) = span_events([make_span(attributes)]).events
    assert json.loads(event)["properties"][key] == f"{base}/reset/{{token}}"
    for route in ("/static", "", 7, None):  # without parameters, or not a route
        plain = {"http.route": route, key: f"{base}/static/a.css"}
        assert _event(make_log(plain))["properties"][key] == f"{base}/static/a.css"


def test_a_cut_value_is_marked_and_counted(server: CaptureServer) -> None:
    """An event whose values were cut to fit has `posthog.cut`, and `stats.changed` counts it."""
    exporter = PostHogLogExporter(api_key="phc_a", host=server.url)
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    for size in (10, 2_000_000):
        provider.get_logger("a").emit(event_name="a", attributes={"text": "x" * size})
    provider.shutdown()
    assert [event["properties"].get("posthog.cut") for event in server.events] == [None, True]
    assert exporter.stats.changed == {"cut": 1}
    assert exporter.stats.exported == 2


def test_structures_that_share_their_parts_are_cut(make_log: MakeLog) -> None:
    """A small structure that would be huge or endless as JSON is cut, and the URLs in it are cleaned."""
    shared: list[Any] = ["https://hunter2@example.com/?hunter2"]
    for _ in range(40):
        shared = [shared, shared]
    around: list[Any] = []
    around += [around, around, "https://hunter2@example.com/?hunter2"]
    for value in (shared, around):
        mapped = log_events([make_log({"a": value}), make_log({"a": value, "text": "x" * 2_000_000})])
        assert len(mapped.events) == 2
        assert b"hunter2" not in b"".join(mapped.events)


class _Link:
    """An object that is a URL, like those of HTTP clients."""

    def __str__(self) -> str:
        return "https://hunter2@example.com/a?hunter2"


def test_urls_of_a_person_are_cleaned_and_ids_are_not(make_log: MakeLog) -> None:
    """URLs in person properties and in a `session.id` that is not a UUIDv7 are cleaned; group ids are not."""
    url, cleaned = "https://u:hunter2@example.com/a?hunter2", "https://example.com/a"
    attributes = {
        "user.id": "u1",
        "posthog.set.referrer": url,
        "posthog.set_once.pages": [url],
        "posthog.group.site": url,
        "session.id": url,
    }
    properties = _event(make_log(dict(attributes)), person_profiles=True)["properties"]
    assert properties["$set"] == {"referrer": cleaned}
    assert properties["$set_once"] == {"pages": [cleaned]}
    assert properties["session.id"] == cleaned
    assert properties["$groups"] == {"site": url}
    unchanged = _event(make_log(attributes), person_profiles=True, redact=False)["properties"]
    assert unchanged["$set"] == {"referrer": url}


def test_a_route_leaves_no_part_of_a_password(make_log: MakeLog) -> None:
    """If a route replaces the path, no part of a password that contains a slash is sent."""
    url = "https://app:hun/ter2@example.com/reset/hunter2"
    event = _event(make_log({"http.route": "/reset/{token}", "url.full": url}))
    assert event["properties"]["url.full"] == "https:///reset/{token}"


def test_urls_that_are_objects_are_cleaned(make_log: MakeLog) -> None:
    """An object whose text is a URL is cleaned as an attribute, within an attribute, and as the body."""
    event = _event(make_log({"a": _Link(), "b": {"c": [_Link()]}, "url.full": _Link()}, body=_Link()))
    assert "hunter2" not in json.dumps(event)
    assert event["properties"]["a"] == "https://example.com/a"

"""The attributes that `PostHogContextProcessor` copies to a record, and those that it does not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from opentelemetry.exporter.posthog import PostHogContextProcessor

_SESSION = "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b"
_OF_SPAN = {
    "user.id": "u1",
    "session.id": _SESSION,
    "posthog.group.team": "red",
    "tenant.id": "acme",
    "posthog.set.plan": "free",
    "http.request.header.authorization": "hunter2",
    "url.full": "https://example.com/?token=hunter2",
}


class _Seen(LogRecordProcessor):
    """Keeps the attributes of each record."""

    def __init__(self) -> None:
        self.attributes: list[dict[str, Any]] = []

    def on_emit(self, log_record: Any) -> None:
        """Keep a copy."""
        self.attributes.append(dict(log_record.log_record.attributes or {}))

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # as inherited
        """Do nothing."""
        return True


def emitted(records: list[dict[str, Any] | None], **options: Any) -> list[dict[str, Any]]:
    """Return the attributes of records that are emitted within a span, as the next processor sees them."""
    seen = _Seen()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(PostHogContextProcessor(**options))
    provider.add_log_record_processor(seen)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop")
    with tracer.start_as_current_span("request", attributes=_OF_SPAN):
        for attributes in records:
            provider.get_logger("shop").emit(LogRecord(event_name="order.placed", attributes=attributes))
    return seen.attributes


def without_uid(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes except `log.record.uid`."""
    return {key: value for key, value in attributes.items() if key != "log.record.uid"}


def test_only_id_session_and_groups_are_copied() -> None:
    """No other attribute of the span reaches the record: it may hold a secret, and other exporters see it too."""
    (attributes,) = emitted([{"n": 1}], group_attributes={"company": "tenant.id"})
    assert without_uid(attributes) == {
        "n": 1,
        "posthog.distinct_id": "u1",
        "session.id": _SESSION,
        "posthog.group.team": "red",
        "posthog.group.company": "acme",
    }


def test_without_conventions_only_the_id_is_copied() -> None:
    """`conventions=False` leaves the session and the groups of the span out."""
    (attributes,) = emitted([{"n": 1}], conventions=False, group_attributes={"company": "tenant.id"})
    assert without_uid(attributes) == {"n": 1, "posthog.distinct_id": "u1"}


def test_the_attributes_of_the_record_win() -> None:
    """The record's own session and group stay, and so does its own id, if PostHog accepts it."""
    own = {"posthog.distinct_id": "u2", "session.id": "s2", "posthog.group.team": "blue"}
    illegal = {"posthog.distinct_id": "anonymous"}
    first, second = emitted([own, illegal])
    assert without_uid(first) == own
    assert second["posthog.distinct_id"] == "u1"


@pytest.mark.parametrize("lacking", [{}, {"log.record.uid": ""}, {"n": 1}, None])
def test_a_record_without_an_id_gets_one(lacking: dict[str, Any] | None) -> None:
    """Each record without a `log.record.uid` gets a random UUID; an id of the application stays."""
    first, second, third = emitted([lacking, lacking, {"log.record.uid": "mine"}])
    assert UUID(first["log.record.uid"]).version == UUID(second["log.record.uid"]).version == 4
    assert first["log.record.uid"] != second["log.record.uid"]
    assert third["log.record.uid"] == "mine"


def test_a_record_that_is_emitted_again_keeps_what_the_application_added() -> None:
    """A record that is emitted twice gets another id, but an attribute set in between stays."""
    seen = _Seen()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(PostHogContextProcessor())
    provider.add_log_record_processor(seen)
    record = LogRecord(event_name="order.placed", attributes={"n": 1})
    for uid in (None, None, "mine"):
        if uid:
            record.attributes = {**(record.attributes or {}), "log.record.uid": uid}
        provider.get_logger("shop").emit(record)
    first, second, third = (attributes["log.record.uid"] for attributes in seen.attributes)
    assert first != second
    assert third == "mine"

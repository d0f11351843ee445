"""Tests of selecting whole records, from the SDK or from disk: undeclared attributes are removed."""

import pytest

from mem0_telemetry.policy.registry import dropped_attributes, select, select_record, select_resource
from support.observed_values import SEARCH_AS_MEM0_HAS_IT, event


def test_a_record_is_selected_again() -> None:
    """A second selection does not change the selected attributes or those that the writer has added."""
    first = select(event("mem0.search"), SEARCH_AS_MEM0_HAS_IT)
    added = {
        "app.installation.id": "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1a10",
        "service.version": "2.2.1",
        "log.record.uid": "01890a5d-ac96-774b-bcce-b302099a8057",
        "mem0.installation.ephemeral": True,
        "mem0.ci": True,
        "mem0.telemetry.dropped.queue_full": 12,
    }
    assert select_record({**first, **added}, "mem0.search") == {**first, **added}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mem0.limit", 3),  # declared, but not for this event
        ("user.id", "alice"),
        ("app.installation.id", "alice"),
        ("app.installation.id", "0B8A1C7E-3F43-4F0B-9D53-6F6F2D6B1A10"),
        ("app.installation.id", "0b8a1c7e3f43-4f0b-9d53-6f6f2d6b1a10-"),
        ("app.installation.id", "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1agg"),
        ("log.record.uid", 7),
        ("mem0.ci", False),
        ("mem0.ci", "github"),
        ("mem0.telemetry.dropped.queue_full", 0),
        ("mem0.telemetry.dropped.alice", 3),
        ("mem0.sync_type", 7),
    ],
)
def test_a_tampered_line_loses_undeclared_values(key: str, value: object) -> None:
    """Only the declared attributes of the event are selected from a spooled line, whatever it contains."""
    assert select_record({key: value}, "mem0.init") == {}


def test_an_exact_size_of_an_earlier_version_is_rounded() -> None:
    """Exact sizes in a line that an earlier version spooled are rounded when the line is read."""
    earlier = {"mem0.limit": 17, "mem0.threshold": 0.123, "mem0.embedding_model.dimensions": 1537}
    assert select_record(earlier, "mem0.search") == {"mem0.limit": 20, "mem0.threshold": 0.1}


@pytest.mark.parametrize("name", [None, "", "client.add", "mem0.notice_displayed"])
def test_a_record_of_an_undeclared_event_is_not_selected(name: str | None) -> None:
    """A record of an undeclared event is not selected at all."""
    assert select_record({"mem0.sync_type": "sync"}, name) is None


def test_the_resource_keeps_what_is_declared() -> None:
    """Versions, system and architecture are kept; attributes that the SDK or the environment added are removed."""
    declared = {
        "service.name": "mem0",
        "service.version": "2.2.1",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.45.2",
        "telemetry.distro.name": "mem0-telemetry",
        "telemetry.distro.version": "0.1.0",
        "process.runtime.name": "cpython",
        "process.runtime.version": "3.11.7",
        "os.type": "linux",
        "os.version": "6.1",
        "host.arch": "amd64",
        "app.installation.id": "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1a10",
    }
    leaks = {
        "service.instance.id": "1f5a9c1e-0000-4000-8000-000000000000",
        "host.name": "build-7.acme.internal",
        "deployment.environment.name": "prod",
        "process.command_args": ("--key", "secret"),
    }
    assert select_resource({**declared, **leaks}) == declared
    assert select_resource({"os.version": "6.1.147-acme #1 SMP", "service.name": "acme"}) == {
        "os.version": "6.1",
        "service.name": "other",
    }


def test_dropped_events_are_counted_by_reason() -> None:
    """The count of dropped events for each declared reason becomes an attribute; other reasons are left out."""
    assert dropped_attributes({"queue_full": 12, "expired": 0, "alice": 3}) == {
        "mem0.telemetry.dropped.queue_full": 12
    }

"""Compare the request bodies that PostHog receives for Mem0's records with files: no exporter setting changes them.

`tests/pipeline/golden/*.json` contain the bodies, indented, with a fixed `sent_at` and exporter version. Run with
`UPDATE_GOLDEN=1` to write the files again, and read the difference.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mem0_telemetry.pipeline import exporters
from mem0_telemetry.pipeline.destinations import DestinationConfig
from opentelemetry.exporter.posthog import __version__

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog.testing import CaptureServer

_GOLDEN = Path(__file__).parent / "golden"
_ID = "b0b7c6d2-5a3e-4b43-9b7a-0c8d6f5e1a11"
_TIME = 1_767_225_600_123_456_789
_RESOURCE = {
    "service.name": "mem0",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.version": "1.45.1",
    "telemetry.distro.name": "mem0-telemetry",
    "telemetry.distro.version": "0.1.0",
    "process.runtime.name": "cpython",
    "process.runtime.version": "3.11.7",
    "os.type": "linux",
    "os.version": "6.1",
    "host.arch": "amd64",
}
_SCOPE = InstrumentationScope("mem0_telemetry", "0.1.0", "https://opentelemetry.io/schemas/1.44.0")
_COMMON = {"app.installation.id": _ID, "service.version": "2.2.1", "mem0.sample_rate": 0.1}
_ADD = {
    **_COMMON,
    "mem0.sync_type": "sync",
    "mem0.version": "v1.1",
    "mem0.llm.provider": "openai",
    "mem0.embedder.provider": "openai",
    "mem0.vector_store.provider": "qdrant",
    "mem0.parameters": ["agent_id", "user_id"],
    "mem0.infer": True,
    "mem0.limit": 100,
    "mem0.threshold": 0.1,
    "mem0.telemetry.dropped.queue_full": 3,
    "log.record.uid": "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b",
}


def _record(name: str, attributes: dict[str, Any], **fields: Any) -> ReadableLogRecord:
    """Return a record as the sender passes it to an exporter."""
    record = LogRecord(
        timestamp=_TIME, event_name=name, body=name, severity_number=SeverityNumber.INFO, **fields
    )
    record.attributes = attributes
    return ReadableLogRecord(record, Resource(_RESOURCE), _SCOPE)


BATCHES = {
    "sync": [
        _record("mem0.init", {**_ADD, "log.record.uid": "0198f3c1-7b52-7c3e-9c51-000000000001"}),
        _record("mem0.add", _ADD),
        _record("mem0.create_procedural_memory", {**_COMMON, "log.record.uid": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}),
        _record("mem0.add", _COMMON),
        _record("mem0.add", dict(_COMMON)),  # equal to the previous record, but a separate event
    ],
    "hosted": [
        _record("mem0.client.init", {**_COMMON, "log.record.uid": "0198f3c1-7b52-7c3e-9c51-000000000002"}),
        _record("mem0.client.add", {**_ADD, "mem0.sync_type": "async"}),
    ],
    # An application's settings could change these attributes; Mem0's requests must stay the same.
    "odd": [
        _record(
            "mem0.add",
            {
                **_ADD,
                "session.id": "0198f3c1-7b52-7c3e-9c51-2f6f0f6f5d3b",
                "tenant.id": "acme",
                "posthog.group.company": "acme",
                "posthog.set.plan": "pro",
                "url.full": "https://user:pw@example.com/a?token=1",
                "exception.type": "ValueError",
                "posthog.distinct_id": "somebody",
                "user.id": "somebody",
            },
            trace_id=0x0AF7651916CD43DD8448EB211C80319C,
            span_id=0xB7AD6B7169203331,
        )
    ],
}
_SETTINGS = {
    "API_KEY": "phc_of_the_application",
    "HOST": "http://127.0.0.1:9",
    "BAGGAGE_KEYS": "tenant.id",
    "GROUPS": "company=tenant.id",
    "EXCEPTIONS": "true",
    "CONVENTIONS": "true",
    "EVENTS": "order.*",
    "SPANS": "all",
    "TRACE_CONTEXT": "true",
    "PERSON_PROFILES": "true",
    "GEOIP": "true",
    "IP": "true",
    "REDACT": "true",
    "EVENT_NAMES": "mem0.add=other",
    "PROPERTY_NAMES": "mem0.limit=other",
    "DISTINCT_ID_ATTRIBUTES": "user.id",
    "RETRY": "true",
}


@pytest.mark.parametrize("name", BATCHES)
def test_requests_equal_the_golden_files(
    server: CaptureServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each request is the same byte for byte, whatever the application sets for its own exporter."""
    for variable, value in _SETTINGS.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_POSTHOG_{variable}", value)
    config = DestinationConfig("posthog", endpoint=server.url, api_key="phc_golden")
    exporter: Any = exporters.destination(config).build()
    exporter.export(BATCHES[name])
    exporter.shutdown()
    (request,) = server.requests
    fixed = re.sub(rb'"sent_at":"[^"]*"', b'"sent_at":"2026-01-01T00:00:05.000+00:00"', request.body)
    fixed = fixed.replace(f'"$lib_version":"{__version__}"'.encode(), b'"$lib_version":"<VERSION>"')
    file = _GOLDEN / f"posthog-{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(json.dumps(json.loads(fixed), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    golden = json.loads(file.read_text(encoding="utf-8"))
    assert fixed.decode() == json.dumps(golden, separators=(",", ":"), ensure_ascii=False)

"""The ways to send an event to a server, and some of their parts alone."""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BATCH: Final = 512
CAPTURE: Final = "posthog `capture` + `flush`"
_ID: Final = "b0b7c6d2-5a3e-4b43-9b7a-0c8d6f5e1a11"
_FIXED: Final[dict[str, Any]] = {
    "sdk.version": "2.2.1",
    "python.version": "3.11.7",
    "os.type": "linux",
    "os.version": "6.1",
    "host.arch": "amd64",
    "is_async": False,
    "is_ci": True,
    "infer": True,
    "llm.provider": "openai",
    "llm.model.class": "gpt-4o-mini",
    "embedder.provider": "openai",
    "embedder.dims": 1536,
    "vector_store.provider": "qdrant",
    "reranker.provider": "none",
    "parameters": ["user_id", "agent_id"],
    "sample_rate": 0.1,
    "api.version": "v1.1",
}


def attributes(number: int) -> dict[str, Any]:
    """Return the 20 properties of an event."""
    return {
        **_FIXED,
        "duration_ms": number * 0.37,
        "results": number % 50,
        "call": f"call-{number:08x}",
    }


@dataclass(frozen=True)
class Task:
    """The work of one way."""

    url: str
    events: int
    flush_every: int
    ready: Callable[[], None]
    """The way calls it when it is ready for the first event."""

    def portions(self) -> Iterator[range]:
        """Yield the numbers of the events, in portions that are flushed together."""
        for start in range(0, self.events, self.flush_every):
            yield range(start, min(start + self.flush_every, self.events))


class Timer:
    """Adds up the wall and CPU seconds spent inside it."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._began[0]
        self.cpu += time.process_time() - self._began[1]


def through_capture(task: Task, **options: Any) -> Timer:
    """Deliver with PostHog's client."""
    import posthog

    client = posthog.Posthog("phc_benchmark", host=task.url, max_queue_size=task.events, **options)
    task.ready()
    timer = Timer()
    with timer:
        for portion in task.portions():
            for number in portion:
                client.capture("mem0.add", distinct_id=_ID, properties=attributes(number))
            client.flush()
    return timer


def through_pipeline(exporter: Any, task: Task) -> Timer:
    """Deliver with OpenTelemetry's SDK, its batch processor and `exporter`."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    provider = LoggerProvider(resource=Resource({"service.name": "mem0"}), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_queue_size=task.events))
    logger = provider.get_logger("benchmark", "1.0")
    task.ready()
    timer = Timer()
    with timer:
        for portion in task.portions():
            for number in portion:
                record = LogRecord(
                    timestamp=time.time_ns(),
                    event_name="mem0.add",
                    body="mem0.add",
                    severity_number=SeverityNumber.INFO,
                    attributes={"app.installation.id": _ID, **attributes(number)},
                )
                logger.emit(record)
            provider.force_flush(60_000)
    provider.shutdown()
    return timer


def through_otlp(task: Task) -> Timer:
    """Deliver with OTel's OTLP/HTTP exporter."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return through_pipeline(OTLPLogExporter(endpoint=f"{task.url}/v1/logs"), task)


def our_exporter(url: str) -> Any:
    """Return our exporter, ready to send."""
    from opentelemetry.exporter.posthog import PostHogLogExporter

    exporter = PostHogLogExporter(api_key="phc_benchmark", host=url)
    exporter.warm_up()
    return exporter


def through_ours(task: Task) -> Timer:
    """Deliver with this exporter."""
    exporter = our_exporter(task.url)
    timer = through_pipeline(exporter, task)
    assert exporter.stats.exported == task.events, exporter.stats  # Otherwise the figures mean nothing.
    return timer


def _exporter_class(export: Callable[[Any], None]) -> Any:
    from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

    class Exporter(LogRecordExporter):
        def export(self, batch: Any) -> LogRecordExportResult:
            export(batch)
            return LogRecordExportResult.SUCCESS

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # nothing to flush
            return True

    return Exporter()


def plain_events(batch: Any) -> list[dict[str, Any]]:
    """Map records in the shortest possible way, without inspecting a value."""
    lib = {"$lib": "x", "$lib_version": "0", "$process_person_profile": False, "$geoip_disable": True}
    return [
        {
            "event": item.log_record.event_name,
            "distinct_id": _ID,
            "uuid": _ID,
            "timestamp": datetime.fromtimestamp(item.log_record.timestamp / 1e9, timezone.utc).isoformat(),
            "properties": {**lib, **item.resource.attributes, **item.log_record.attributes},
        }
        for item in batch
    ]


def through_batch_post(task: Task) -> Timer:
    """Deliver with `posthog.request.batch_post`, the alternative to our own encoding, without any validation."""
    import requests
    from posthog.request import batch_post

    session = requests.Session()

    def export(batch: Any) -> None:
        batch_post(
            "phc_benchmark", task.url, gzip=True, timeout=10, batch=plain_events(batch), session=session
        )

    return through_pipeline(_exporter_class(export), task)


def through_nothing(task: Task) -> Timer:
    """Run OTel's part alone, with an exporter that does nothing."""
    return through_pipeline(_exporter_class(lambda _: None), task)


def identified(number: int) -> dict[str, Any]:
    """Return the 20 properties of an event and the id of its installation."""
    return {"app.installation.id": _ID, **attributes(number)}


def ready_records(
    events: int, attributes_of: Callable[[int], dict[str, Any]] = identified
) -> Iterator[list[Any]]:
    """Yield batches of records that the SDK builds outside the timed sections."""
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    memory = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=Resource({"service.name": "mem0"}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
    logger = provider.get_logger("benchmark", "1.0")
    for start in range(0, events, _BATCH):
        for number in range(start, min(start + _BATCH, events)):
            values = attributes_of(number)
            logger.emit(LogRecord(timestamp=time.time_ns(), event_name="mem0.add", attributes=values))
        yield list(memory.get_finished_logs())
        memory.clear()


def with_ready_records(use: Callable[[Any], object], task: Task) -> Timer:
    """Time calls of `use` with batches of ready records."""
    task.ready()
    timer = Timer()
    for batch in ready_records(task.events):
        with timer:
            use(batch)
    return timer


def through_ours_alone(task: Task) -> Timer:
    """Call this exporter's `export` with ready records, without the SDK."""
    return with_ready_records(our_exporter(task.url).export, task)


def through_our_mapping_alone(task: Task) -> Timer:
    """Run our mapping alone: from records to validated JSON."""
    return with_ready_records(our_exporter(task.url)._mapper.map, task)


def through_the_floor(task: Task) -> Timer:
    """Do the minimum: JSON from ready dictionaries, gzip, and one POST for each batch."""
    import requests

    session = requests.Session()
    task.ready()
    timer = Timer()
    for batch in ready_records(task.events):
        prepared = plain_events(batch)
        with timer:
            text = json.dumps({"api_key": "phc_benchmark", "batch": prepared}, separators=(",", ":"))
            compressor = zlib.compressobj(3, zlib.DEFLATED, 31)
            body = compressor.compress(text.encode()) + compressor.flush()
            session.post(f"{task.url}/batch/", data=body, headers={"Content-Encoding": "gzip"}, timeout=10)
    return timer


WAYS: Final[dict[str, Callable[[Task], Timer]]] = {
    CAPTURE: through_capture,
    "posthog `capture` + `flush`, gzip": partial(through_capture, gzip=True),
    "OTel pipeline, OTLP/HTTP": through_otlp,
    "OTel pipeline, batch_post, nothing validated": through_batch_post,
    "**OTel pipeline, this exporter**": through_ours,
    "OTel pipeline, no exporter": through_nothing,
    "this exporter's `export` alone": through_ours_alone,
    "this exporter's mapping alone": through_our_mapping_alone,
    "floor: json.dumps, gzip, POST": through_the_floor,
}

"""Use the public names as users do. This file is never run: mypy (strict) and pyright check it.

Each required error is marked `type: ignore` with its code. If it is no longer an error, mypy reports the mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import mem0_telemetry
from mem0_telemetry import Mem0Instrumentor, Status, environment_variables, telemetry
from opentelemetry.exporter.posthog import ExporterStats, PostHogLogExporter, PostHogSpanExporter, local_roots
from opentelemetry.exporter.posthog.testing import Answer, CapturedRequest, CaptureServer, check_batch

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider as LoggerProviderAPI
    from opentelemetry.trace import Span


def an_application() -> bool:
    """Instrument, switch off, read the status, wait for delivery."""
    mem0_telemetry.instrument()
    mem0_telemetry.instrument(usage=True, operations=False)
    mem0_telemetry.set_enabled(False)
    status: Status = mem0_telemetry.status()
    enabled: bool = status.enabled
    reason: str = status.reason
    installation_id: str | None = status.installation_id
    for destination in status.destinations:
        where: tuple[str, str, int] = (destination.name, destination.endpoint, destination.waiting)
        print(where, enabled, reason, installation_id)  # noqa: T201  # never run
    dropped: int = status.dropped.get("queue_full", 0)
    version: str = mem0_telemetry.__version__
    provider: LoggerProviderAPI = mem0_telemetry.get_logger_provider()
    provider.get_logger(version).emit(event_name="mem0.init", body=dropped)
    mem0_telemetry.uninstrument()
    return mem0_telemetry.flush(timeout=1) and mem0_telemetry.shutdown(0.5) and mem0_telemetry.shutdown()


def an_operator(tracer_provider: TracerProvider) -> None:
    """Record operations on the application's own providers, with hooks."""

    def on_request(span: Span, instance: object, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        span.set_attribute("tenant", f"{instance} {args} {kwargs}")

    mem0_telemetry.instrument(tracer_provider=tracer_provider, request_hook=on_request)
    Mem0Instrumentor().instrument(tracer_provider=tracer_provider)
    Mem0Instrumentor().uninstrument()


def mem0_itself(memory: object) -> str | None:
    """Make the calls of Mem0's own code, and use the switch of its guide."""
    telemetry.MEM0_TELEMETRY = False
    telemetry.capture_event("mem0.add", memory, {"sync_type": "sync"})
    telemetry.capture_client_event("client.add", memory)
    anonymous = telemetry.AnonymousTelemetry()
    anonymous.capture_event("mem0.add", {"sync_type": "sync"})
    identified: bool = anonymous.capture_identify(None, None)
    anonymous.close()
    name: str = environment_variables.MEM0_TELEMETRY
    return telemetry.get_or_create_user_id() if identified else name


def a_library_author() -> ExporterStats:
    """Use the exporter alone, for logs and for spans."""
    logs = PostHogLogExporter(
        api_key="phc_x",
        host="https://eu.i.posthog.com",
        timeout=5,
        event_names={"order.placed": "order placed"},
        property_names={"user.id": "$user_id"},
        distinct_id_attributes=("user.id",),
        filter=lambda record: record.log_record.event_name is not None,
    )
    LoggerProvider().add_log_record_processor(BatchLogRecordProcessor(logs))
    spans = PostHogSpanExporter(filter=local_roots, person_profiles=True)
    TracerProvider().add_span_processor(BatchSpanProcessor(spans))
    exported: int = logs.stats.exported
    retry_after: float | None = spans.retry_after
    print(exported, retry_after)  # noqa: T201  # never run
    return spans.stats


def a_tester() -> list[str]:
    """Use the fake PostHog server."""
    with CaptureServer() as server:
        server.answer(Answer(status=503), Answer(stall=True))
        request: CapturedRequest = server.requests[0]
        assert server.wait_for(1, timeout=5)
        return check_batch(request.body)


def errors(status: Status) -> None:
    """Make the mistakes that a type checker must report."""
    mem0_telemetry.instrument(True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    mem0_telemetry.instrument(everything=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    mem0_telemetry.flush("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    status.enabled = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    PostHogLogExporter("phc_x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Answer(code=503)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    telemetry.capture_event(1, object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

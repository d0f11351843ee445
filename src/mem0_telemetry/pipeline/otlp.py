# SPDX-License-Identifier: Apache-2.0
"""OTLP exporters that make one attempt and report whether to retry, with upstream's encoder, stubs and messages.

The stock exporter classes are not used (docs/decisions/otlp-exporters.md): they merge the application's
`OTEL_EXPORTER_OTLP_*` into their arguments, retry and log inside `export`, and return FAILURE for batches that can
never succeed. The classes here read no `OTEL_*` variable, so a new upstream variable cannot break their isolation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from mem0_telemetry.pipeline.addresses import GRPC
from mem0_telemetry.pipeline.destinations import DestinationConfig
from mem0_telemetry.version import __version__

if TYPE_CHECKING:
    import grpc

_TIMEOUT: Final = 10.0  # seconds for one attempt; OTEL_EXPORTER_OTLP_TIMEOUT's default
_USER_AGENT: Final = f"mem0-telemetry/{__version__}"
_SUCCESS: Final = range(200, 300)
_PROTOBUF: Final = "application/x-protobuf"
# OTLP specification, "Retryable Response Codes" and the table of "Failures": no other code is retried.
_RETRYABLE_STATUS: Final = frozenset({429, 502, 503, 504})
_RETRYABLE_CODES: Final = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)


def build(config: DestinationConfig) -> OTLPExporter:
    """Import the dependencies of the exporter for `config` and build it. Opens no connection yet.

    Raises:
        OSError: if a certificate file that the standard variables name cannot be read.
    """
    return _GRPCExporter(config) if config.protocol == GRPC else _HTTPExporter(config)


class OTLPExporter(LogRecordExporter):
    """One `export` is one attempt. SUCCESS: the batch was delivered, or dropped and counted. FAILURE: retry later.

    Attributes:
        retry_after: seconds that the server asked to wait at the last FAILURE, or None.
        failure: why the last export was a FAILURE, in a few words; empty after a SUCCESS.
        refusal: why the server refused the last batch, or a part of it, for good; empty if it accepted all of it.
        dropped: records dropped so far, by reason (`http_404`, `grpc_unimplemented`, ...).
    """

    def __init__(self) -> None:
        self.retry_after: float | None = None
        self.failure = self.refusal = ""
        self.dropped: dict[str, int] = {}

    def _forget(self) -> None:
        self.retry_after, self.failure, self.refusal = None, "", ""

    def _later(self, failure: str) -> LogRecordExportResult:
        self.failure = failure
        return LogRecordExportResult.FAILURE

    def _drop(self, refusal: str, count: int) -> LogRecordExportResult:
        self.refusal = refusal
        reason = refusal.partition(":")[0].lower().replace(" ", "_")
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        return LogRecordExportResult.SUCCESS

    def _taken(self, answer: ExportLogsServiceResponse, count: int) -> LogRecordExportResult:
        """Count the records that the server rejected in a success (OTLP specification, "Partial Success")."""
        rejected = min(max(0, answer.partial_success.rejected_log_records), count)
        if rejected:
            return self._drop(f"partial success: {rejected} of {count} rejected", rejected)
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 10_000) -> bool:  # noqa: ARG002
        """Return True: nothing is buffered."""
        return True


class _HTTPExporter(OTLPExporter):
    """Posts a protobuf body (OTLP/HTTP), not compressed: two of four real receivers refused gzip."""

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__()
        from opentelemetry.exporter.posthog import _session  # noqa: PLC0415  # imports `requests`: 100 ms

        self._url = config.url
        self._headers = {
            "user-agent": _USER_AGENT,
            "accept-encoding": "identity",  # the default reveals which decoders are installed
            **config.headers,
            "content-type": _PROTOBUF,
        }
        files = config.files
        cert = files.get("client_certificate")
        self._session = _session.build_session(
            self._url,
            verify=files.get("certificate"),
            cert=(cert, files.get("client_key", cert)) if cert else None,
        )
        self._post, self._monotonic = _session.post, _session.monotonic

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self._forget()
        body = encode_logs(batch).SerializeToString()
        try:
            answer = self._post(
                self._session, self._url, body, self._headers, deadline=self._monotonic() + _TIMEOUT
            )
        except OSError as error:  # also the base class of the errors of `requests`
            return self._later(type(error).__name__)
        failure = f"HTTP {answer.status}"
        if answer.status in _RETRYABLE_STATUS:
            self.retry_after = answer.retry_after
            return self._later(failure)
        if answer.status not in _SUCCESS:
            return self._drop(failure, len(batch))
        if answer.is_too_long:  # "the client MUST treat the response as a non-retryable error"
            return self._drop("answer too long", len(batch))
        return self._taken(_read(answer.headers.get("content-type", ""), answer.content), len(batch))

    def shutdown(self) -> None:
        """Close the connections."""
        self._session.close()


def _read(content_type: str, content: bytes) -> ExportLogsServiceResponse:
    """Parse the server's response. Some servers always respond in JSON, and some omit the content type."""
    kind = content_type.partition(";")[0].strip().lower()
    with suppress(DecodeError, json_format.Error, ValueError, RecursionError):
        if kind in ("", _PROTOBUF, "application/octet-stream"):
            return ExportLogsServiceResponse.FromString(content)
        return json_format.Parse(content, ExportLogsServiceResponse(), ignore_unknown_fields=True)
    return ExportLogsServiceResponse()


class _GRPCExporter(OTLPExporter):
    """Makes a unary call to the logs service (OTLP/gRPC)."""

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__()
        import grpc  # noqa: PLC0415  # only if gRPC is chosen
        from google.rpc import error_details_pb2, status_pb2  # noqa: F401, PLC0415  # import now, not during an export
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc  # noqa: PLC0415

        scheme, _, target = config.endpoint.partition("://")
        options = (("grpc.primary_user_agent", _USER_AGENT), ("grpc.enable_retries", 0))
        if scheme == "https":
            self._channel = grpc.secure_channel(target, _credentials(config.files), options=options)
        else:
            self._channel = grpc.insecure_channel(target, options=options)
        self._metadata = tuple(config.headers.items())
        self._stub = logs_service_pb2_grpc.LogsServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        import grpc  # noqa: PLC0415

        self._forget()
        try:
            answer = self._stub.Export(encode_logs(batch), metadata=self._metadata, timeout=_TIMEOUT)
        except grpc.RpcError as error:
            code = error.code().name
            self.retry_after = _retry_delay(error)
            # RESOURCE_EXHAUSTED may be retried only if the server says when (OTLP specification, "Failures").
            if code in _RETRYABLE_CODES or (code == "RESOURCE_EXHAUSTED" and self.retry_after is not None):
                return self._later(f"gRPC {code}")
            return self._drop(f"gRPC {code}", len(batch))
        return self._taken(answer, len(batch))

    def shutdown(self) -> None:
        """Close the channel."""
        self._channel.close()


def _retry_delay(error: grpc.RpcError) -> float | None:
    """Return the delay in seconds from the status's `google.rpc.RetryInfo`, or None if it has none."""
    from google.rpc.error_details_pb2 import RetryInfo  # noqa: PLC0415  # installed with OTLP over gRPC
    from google.rpc.status_pb2 import Status  # noqa: PLC0415

    info = RetryInfo()
    with suppress(DecodeError):
        metadata = {item.key: item.value for item in error.trailing_metadata() or ()}
        status = Status.FromString(metadata.get("grpc-status-details-bin", b""))
        if any(detail.Unpack(info) for detail in status.details):
            return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return None


def _credentials(files: Mapping[str, str]) -> grpc.ChannelCredentials:
    import grpc  # noqa: PLC0415

    kinds = ("certificate", "client_key", "client_certificate")
    root, key, chain = (Path(files[kind]).read_bytes() or None if kind in files else None for kind in kinds)
    if (key is None) != (chain is None):  # gRPC would end the whole process
        raise ValueError("the file of the client's key or certificate is empty")
    return grpc.ssl_channel_credentials(root, key, chain)

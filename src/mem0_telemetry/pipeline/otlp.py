"""OTLP exporters that make one attempt and say whether to come again: upstream's encoder, stubs and messages.

The stock exporter classes are not used (docs/decisions/otlp-exporters.md): they merge the application's
`OTEL_EXPORTER_OTLP_*` under what they are given, retry and log inside `export`, and answer FAILURE for what can never
succeed. Here the environment is not read at all, so isolation needs no upkeep.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from mem0_telemetry.pipeline.destinations import GRPC
from mem0_telemetry.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import grpc
    import requests
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.pipeline.destinations import DestinationConfig

_TIMEOUT: Final = 10.0  # seconds for one attempt; OTEL_EXPORTER_OTLP_TIMEOUT's default
_LONGEST_ANSWER: Final = 65_536
_USER_AGENT: Final = f"mem0-telemetry/{__version__}"
# OTLP specification, "Failures": these may succeed later, anything else never will.
_SUCCESS: Final = range(200, 300)
_RETRYABLE_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
_RETRYABLE_CODES: Final = frozenset(
    {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)


def build(config: DestinationConfig) -> OTLPExporter:
    """The exporter for `config`, with what it needs imported. Connects to nothing yet.

    Raises:
        OSError: a certificate file of the standard variables cannot be read.
    """
    return _GRPCExporter(config) if config.protocol == GRPC else _HTTPExporter(config)


class OTLPExporter(LogRecordExporter):
    """One `export` is one attempt. SUCCESS: done with it (delivered, or dropped and counted). FAILURE: later.

    Attributes:
        retry_after: seconds the server asked for at the last FAILURE, or None.
        failure: why the last export was a FAILURE, in a few words; empty where it was none.
        refusal: why the server will never take the last batch, or part of it; empty where it took it.
        dropped: records given up so far, by reason (`http_404`, `grpc_unimplemented`, ...).
    """

    def __init__(self) -> None:
        self.retry_after: float | None = None
        self.failure = self.refusal = ""
        self.dropped: dict[str, int] = {}

    def _later(self, failure: str) -> LogRecordExportResult:
        self.failure = failure
        return LogRecordExportResult.FAILURE

    def _drop(self, refusal: str, count: int) -> LogRecordExportResult:
        self.refusal = refusal
        reason = refusal.partition(":")[0].lower().replace(" ", "_")
        self.dropped[reason] = self.dropped.get(reason, 0) + count
        return LogRecordExportResult.SUCCESS

    def _taken(self, answer: ExportLogsServiceResponse, count: int) -> LogRecordExportResult:
        """Count what the server took and rejected all the same (OTLP specification, "Partial Success")."""
        rejected = min(max(0, answer.partial_success.rejected_log_records), count)
        if rejected:
            return self._drop(f"partial success: {rejected} of {count} rejected", rejected)
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 10_000) -> bool:  # noqa: ARG002  # nothing is buffered here
        """Nothing is buffered: always True."""
        return True


class _HTTPExporter(OTLPExporter):
    """`POST` of a protobuf body (OTLP/HTTP). Not compressed: two of four real receivers refuse gzip."""

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__()
        self._endpoint = config.endpoint
        self._headers = {
            "content-type": "application/x-protobuf",
            "user-agent": _USER_AGENT,
            "accept-encoding": "identity",  # the default tells which decoders are installed
            **config.headers,
        }
        self._session = _session(config.files)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        import requests  # noqa: PLC0415  # 100 ms, on the sender's thread

        self.retry_after, self.failure, self.refusal = None, "", ""
        try:
            response = self._session.post(
                self._endpoint,
                data=encode_logs(batch).SerializeToString(),
                headers=self._headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            )
            answer = _answer(response)
        except requests.RequestException as error:
            return self._later(type(error).__name__)
        status = response.status_code
        if status in _SUCCESS:
            return self._taken(answer, len(batch))
        if status not in _RETRYABLE_STATUS:
            return self._drop(f"HTTP {status}", len(batch))
        self.retry_after = _seconds(response.headers.get("retry-after"))
        return self._later(f"HTTP {status}")

    def shutdown(self) -> None:
        """Close the connections."""
        self._session.close()


class _GRPCExporter(OTLPExporter):
    """A unary call of the logs service (OTLP/gRPC)."""

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__()
        import grpc  # noqa: PLC0415  # only where it is chosen
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import (  # noqa: PLC0415
            LogsServiceStub,
        )

        scheme, _, target = config.endpoint.partition("://")
        options = (("grpc.primary_user_agent", _USER_AGENT), ("grpc.enable_retries", 0))
        if scheme == "https":
            self._channel = grpc.secure_channel(target, _credentials(config.files), options=options)
        else:
            self._channel = grpc.insecure_channel(target, options=options)
        self._metadata = tuple(config.headers.items())
        self._stub = LogsServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        import grpc  # noqa: PLC0415

        self.failure = self.refusal = ""
        try:
            answer = self._stub.Export(encode_logs(batch), metadata=self._metadata, timeout=_TIMEOUT)
        except grpc.RpcError as error:
            code = error.code().name
            if code in _RETRYABLE_CODES:
                return self._later(f"gRPC {code}")
            return self._drop(f"gRPC {code}", len(batch))
        return self._taken(answer, len(batch))

    def shutdown(self) -> None:
        """Close the channel."""
        self._channel.close()


def _session(files: Mapping[str, str]) -> requests.Session:
    """A session that takes proxies and CA bundles from the environment, and no credential, cookie or redirect."""
    from http.cookiejar import DefaultCookiePolicy  # noqa: PLC0415

    import requests  # noqa: PLC0415

    session = requests.Session()
    session.auth = lambda request: request  # else a `.netrc` would add its own
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # `requests` looks at a `Location` even where it does not follow it, and raises for one that is no URL.
    session.get_redirect_target = lambda _: None  # type: ignore[method-assign,assignment]
    if "certificate" in files:
        session.verify = files["certificate"]
    if "client_certificate" in files:
        session.cert = (files["client_certificate"], files.get("client_key", files["client_certificate"]))
    return session


def _answer(response: requests.Response) -> ExportLogsServiceResponse:
    """Return the body of a short answer to what was taken; any other body says nothing that is needed."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415  # on the sender's thread
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415
        ExportLogsServiceResponse,
    )
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    length = response.headers.get("content-length", "")
    with closing(response), suppress(DecodeError, HTTPError, OSError):
        if response.status_code in _SUCCESS and length.isdecimal() and int(length) <= _LONGEST_ANSWER:
            return ExportLogsServiceResponse.FromString(response.raw.read(decode_content=True))
    return ExportLogsServiceResponse()


def _credentials(files: Mapping[str, str]) -> grpc.ChannelCredentials:
    import grpc  # noqa: PLC0415

    contents = {}
    for kind, path in files.items():
        with open(path, "rb") as file:  # noqa: PTH123  # a path of the standard variables, as it is
            contents[kind] = file.read()
    return grpc.ssl_channel_credentials(
        root_certificates=contents.get("certificate"),
        private_key=contents.get("client_key"),
        certificate_chain=contents.get("client_certificate"),
    )


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` in seconds; it is either a number or an HTTP date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    from datetime import datetime, timezone  # noqa: PLC0415
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return None

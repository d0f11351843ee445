"""Tests of the one-attempt OTLP exporters over real sockets: each response means done or retry."""

from __future__ import annotations

import socket
from concurrent import futures
from http.client import parse_headers
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry._logs import LogRecord
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import (
    LogsServiceServicer,
    add_LogsServiceServicer_to_server,
)
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource

from mem0_telemetry.pipeline import otlp
from mem0_telemetry.pipeline.destinations import DestinationConfig
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SUCCESS, FAILURE = LogRecordExportResult.SUCCESS, LogRecordExportResult.FAILURE
BATCH = [
    ReadableLogRecord(
        LogRecord(timestamp=1, event_name="mem0.add", body="mem0.add"), Resource({"service.name": "mem0"})
    )
]


def _rejecting(records: int) -> bytes:
    partial = ExportLogsPartialSuccess(rejected_log_records=records, error_message="too old")
    return bytes(ExportLogsServiceResponse(partial_success=partial).SerializeToString())


def http(url: str, **options: Any) -> otlp.OTLPExporter:
    """Return an exporter that posts to `url`."""
    return otlp.build(
        DestinationConfig("otlp", endpoint=f"{url}/v1/logs", protocol="http/protobuf", **options)
    )


def test_http_request(server: CaptureServer) -> None:
    """One uncompressed protobuf `POST` goes to the exact URL, with the configured headers only."""
    exporter = http(server.url, headers={"x-key": "secret"})
    assert exporter.export(BATCH) is SUCCESS
    (request,) = server.requests
    assert request.path == "/v1/logs"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["x-key"] == "secret"
    assert request.headers["user-agent"].startswith("mem0-telemetry/")
    assert "content-encoding" not in request.headers
    record = (
        ExportLogsServiceRequest.FromString(request.raw_body).resource_logs[0].scope_logs[0].log_records[0]
    )
    assert record.event_name == "mem0.add"
    assert exporter.force_flush() is True


def test_http_is_isolated(server: CaptureServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A request contains no header, `.netrc` credential, cookie or compression of the application."""
    (tmp_path / ".netrc").write_text("default login someone password hunter2\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HEADERS", "LOGS_HEADERS"):
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", "x-leak=leaked")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "many")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere")
    exporter = http(server.url)
    server.answer(Answer(headers={"Set-Cookie": "leak=1"}))
    assert exporter.export(BATCH) is SUCCESS
    assert exporter.export(BATCH) is SUCCESS
    for request in server.requests:
        assert not {"authorization", "cookie", "x-leak", "content-encoding"} & set(request.headers)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_http_retryable_status(status: int, server: CaptureServer) -> None:
    """A retryable status is a FAILURE after one attempt, with the seconds that the server asks to wait."""
    server.answer(Answer(status=status, headers={"Retry-After": "7"}))
    exporter = http(server.url)
    assert exporter.export(BATCH) is FAILURE
    assert exporter.retry_after == 7
    assert len(server.requests) == 1
    assert exporter.export(BATCH) is SUCCESS
    assert exporter.retry_after is None
    assert exporter.dropped == {}


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 405, 408, 413, 500, 501, 505])
def test_http_permanent_status(status: int, server: CaptureServer) -> None:
    """Any other error status is a SUCCESS: the batch is dropped and counted. A redirect is not followed."""
    server.answer(Answer(status=status, headers={"Location": f"{server.url}/elsewhere"}))
    exporter = http(server.url)
    assert exporter.export(BATCH) is SUCCESS
    assert (exporter.dropped, exporter.refusal) == ({f"http_{status}": 1}, f"HTTP {status}")
    assert [request.path for request in server.requests] == ["/v1/logs"]


def test_http_ignores_the_location_of_a_redirect(server: CaptureServer) -> None:
    """A redirect to an invalid URL is dropped and counted like any other redirect."""
    server.answer(Answer(status=302, headers={"Location": "http://["}))
    exporter = http(server.url)
    assert exporter.export(BATCH) is SUCCESS
    assert exporter.dropped == {"http_302": 1}


def test_http_sends_the_query(server: CaptureServer) -> None:
    """The query of the endpoint, from which some backends read a token, is sent."""
    assert http(server.url, query="token=secret").export(BATCH) is SUCCESS
    assert server.requests[0].path == "/v1/logs?token=secret"


@pytest.mark.parametrize(
    ("content_type", "body", "dropped"),
    [
        ("application/x-protobuf", _rejecting(2), {"partial_success": 2}),
        ("application/x-protobuf; charset=utf-8", _rejecting(9), {"partial_success": 3}),
        ("application/x-protobuf", _rejecting(0), {}),
        ("application/x-protobuf", _rejecting(-1), {}),
        ("application/x-protobuf", b"\xff\xff", {}),
        ("Application/X-Protobuf", _rejecting(2), {"partial_success": 2}),
        ("", _rejecting(2), {"partial_success": 2}),
        ("", b"<html>", {}),
        (
            "application/json",
            b'{"partialSuccess": {"rejectedLogRecords": "2"}, "more": 1}',
            {"partial_success": 2},
        ),
        ("application/json", b"[" * 100_000, {}),
        ("application/json", b"\xff", {}),
        ("application/json", _rejecting(2), {}),
        ("application/x-protobuf", b"x" * 5_000_000, {"answer_too_long": 3}),
    ],
    ids=(
        *("2", "more", "none", "negative", "no protobuf", "other case", "no type", "no type and no protobuf"),
        *("json", "deep json", "no text", "no json", "too long"),
    ),
)
def test_http_partial_success(
    content_type: str, body: bytes, dropped: dict[str, int], server: CaptureServer
) -> None:
    """Records that a success response rejects are counted as refused; an unreadable response accepts all records."""
    server.answer(Answer(body=body, headers={"Content-Type": content_type}))
    exporter = http(server.url)
    assert exporter.export(BATCH * 3) is SUCCESS
    assert exporter.dropped == dropped
    assert bool(exporter.refusal) is bool(dropped)


def test_http_refused_and_dropped_connections(server: CaptureServer) -> None:
    """A failed connection is a FAILURE, and the next export works."""
    server.answer(Answer(drop=True))
    exporter = http(server.url)
    assert exporter.export(BATCH) is FAILURE
    assert exporter.export(BATCH) is SUCCESS
    exporter.shutdown()
    server.stop()
    assert http(server.url).export(BATCH) is FAILURE


def test_http_shutdown_closes_the_connection() -> None:
    """`shutdown` closes the connection, which the last export has kept open."""
    with socket.create_server(("127.0.0.1", 0)) as listening, futures.ThreadPoolExecutor(1) as pool:
        listening.settimeout(60)
        exporter = http(f"http://127.0.0.1:{listening.getsockname()[1]}")
        export = pool.submit(exporter.export, BATCH)
        with listening.accept()[0] as connection, connection.makefile("rb") as request:
            connection.settimeout(60)
            request.readline()
            request.read(int(parse_headers(request)["content-length"]))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            assert export.result(60) is SUCCESS
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
            exporter.shutdown()
            connection.settimeout(60)
            assert connection.recv(1) == b""


class _Logs(LogsServiceServicer):
    def __init__(self) -> None:
        self.requests: list[tuple[ExportLogsServiceRequest, dict[str, Any]]] = []
        self.codes: list[grpc.StatusCode] = []
        self.retry_info: bytes | None = None
        self.rejected = 0

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's name
        self.requests.append((request, {item.key: item.value for item in context.invocation_metadata()}))
        if self.retry_info is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", self.retry_info),))
        if self.codes:
            context.abort(self.codes.pop(0), "as told")
        partial = ExportLogsPartialSuccess(rejected_log_records=self.rejected)
        return ExportLogsServiceResponse(partial_success=partial)


@pytest.fixture
def logs() -> Iterator[tuple[_Logs, str]]:
    """Run a gRPC logs service on this machine; yield it and its URL."""
    servicer = _Logs()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_LogsServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    server.stop(0).wait(5)


def by_grpc(url: str, **options: Any) -> otlp.OTLPExporter:
    """Return an exporter that calls the service at `url`."""
    return otlp.build(DestinationConfig("otlp", endpoint=url, protocol="grpc", **options))


def test_grpc_call(logs: tuple[_Logs, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One call is made, with the configured headers and none of the environment; `shutdown` closes the channel."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-leak=leaked")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "many")
    servicer, url = logs
    exporter = by_grpc(url, headers={"x-key": "secret"})
    assert exporter.export(BATCH) is SUCCESS
    ((request, metadata),) = servicer.requests
    assert request.resource_logs[0].scope_logs[0].log_records[0].event_name == "mem0.add"
    assert metadata["x-key"] == "secret"
    assert "x-leak" not in metadata
    exporter.shutdown()
    with pytest.raises(ValueError, match="closed channel"):
        exporter.export(BATCH)


@pytest.mark.parametrize(
    ("code", "result", "dropped"),
    [
        (grpc.StatusCode.UNAVAILABLE, FAILURE, {}),
        (grpc.StatusCode.DATA_LOSS, FAILURE, {}),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, SUCCESS, {"grpc_resource_exhausted": 1}),
        (grpc.StatusCode.INTERNAL, SUCCESS, {"grpc_internal": 1}),
        (grpc.StatusCode.UNIMPLEMENTED, SUCCESS, {"grpc_unimplemented": 1}),
        (grpc.StatusCode.UNAUTHENTICATED, SUCCESS, {"grpc_unauthenticated": 1}),
    ],
)
def test_grpc_codes(
    logs: tuple[_Logs, str], code: grpc.StatusCode, result: LogRecordExportResult, dropped: dict[str, int]
) -> None:
    """A retryable code is a FAILURE after one call; with any other code the batch is dropped and counted."""
    servicer, url = logs
    servicer.codes.append(code)
    exporter = by_grpc(url)
    assert exporter.export(BATCH) is result
    assert exporter.dropped == dropped
    assert exporter.refusal == (f"gRPC {code.name}" if dropped else "")
    assert len(servicer.requests) == 1
    assert exporter.export(BATCH) is SUCCESS
    assert exporter.refusal == ""
    exporter.shutdown()


def _retry_in(seconds: int, nanos: int = 0) -> bytes:
    status = Status(code=8, message="full")
    status.details.add().Pack(BadRequest())
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos)))
    return bytes(status.SerializeToString())


@pytest.mark.parametrize(
    ("code", "details", "seconds"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, _retry_in(7, 500_000_000), 7.5),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, _retry_in(0), 0.0),
        (grpc.StatusCode.UNAVAILABLE, _retry_in(30), 30.0),
        (grpc.StatusCode.UNAVAILABLE, b"\xff\xff", None),
    ],
)
def test_grpc_retry_info(
    logs: tuple[_Logs, str], code: grpc.StatusCode, details: bytes, seconds: float | None
) -> None:
    """A status with a `RetryInfo`, even RESOURCE_EXHAUSTED, is a FAILURE with the seconds that it asks to wait."""
    servicer, url = logs
    servicer.codes, servicer.retry_info = [code], details
    exporter = by_grpc(url)
    assert exporter.export(BATCH) is FAILURE
    assert (exporter.retry_after, exporter.dropped) == (seconds, {})
    assert exporter.export(BATCH) is SUCCESS
    assert exporter.retry_after is None
    exporter.shutdown()


def test_grpc_retries_no_other_code_because_of_a_retry_info(logs: tuple[_Logs, str]) -> None:
    """A code that is not retryable stays so with a `RetryInfo`: the batch is dropped and counted."""
    servicer, url = logs
    servicer.codes, servicer.retry_info = [grpc.StatusCode.INTERNAL], _retry_in(7)
    exporter = by_grpc(url)
    assert exporter.export(BATCH) is SUCCESS
    assert exporter.dropped == {"grpc_internal": 1}
    exporter.shutdown()


def test_grpc_partial_success(logs: tuple[_Logs, str]) -> None:
    """Records that a success response rejects are counted as refused."""
    servicer, url = logs
    servicer.rejected = 2
    exporter = by_grpc(url)
    assert exporter.export(BATCH * 3) is SUCCESS
    assert exporter.refusal == "partial success: 2 of 3 rejected"
    assert exporter.dropped == {"partial_success": 2}
    exporter.shutdown()


def test_grpc_refused() -> None:
    """A call to a port without a listener is a FAILURE."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    exporter = by_grpc(url)
    assert exporter.export(BATCH) is FAILURE
    exporter.shutdown()


@pytest.mark.parametrize("empty", ["client_key", "client_certificate"])
def test_an_empty_client_certificate_raises(empty: str, tmp_path: Path) -> None:
    """Building the exporter fails if the client's key or certificate is an empty file: gRPC would end the process."""
    files = {kind: str(tmp_path / kind) for kind in ("client_key", "client_certificate")}
    for kind, path in files.items():
        Path(path).write_text("" if kind == empty else "pem")
    with pytest.raises(ValueError, match="is empty"):
        otlp.build(DestinationConfig("otlp", endpoint="https://127.0.0.1:4317", protocol="grpc", files=files))


def test_a_missing_certificate_raises(tmp_path: Path) -> None:
    """Building the exporter fails if a certificate of the standard variables cannot be read."""
    with pytest.raises(OSError, match=r"missing\.pem"):
        otlp.build(
            DestinationConfig(
                "otlp",
                endpoint="https://127.0.0.1:1",
                protocol="grpc",
                files={"certificate": str(tmp_path / "missing.pem")},
            )
        )

"""A receiver of gRPC calls on this machine that keeps their bytes without parsing them."""

from __future__ import annotations

from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class GrpcReceiver(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types.
    """Answers every unary call with an empty message while the `with` block lasts.

    Attributes:
        calls: each call's name, metadata and message, as bytes.
    """

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def service(self, handler_call_details: Any) -> Any:
        """Accept any call, and keep its bytes."""

        def keep(message: bytes, _: Any) -> bytes:
            head = repr((handler_call_details.method, handler_call_details.invocation_metadata))
            self.calls.append(head.encode() + b"\n" + message)
            return b""

        return grpc.unary_unary_rpc_method_handler(keep)

    def __enter__(self) -> Self:
        self._server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[self])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(0).wait(5)

    @property
    def url(self) -> str:
        """Return the URL for an exporter's endpoint."""
        return f"http://127.0.0.1:{self.port}"

"""What the application asked for when it instrumented Mem0's operations."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    RequestHook: TypeAlias = Callable[[Span, object, Sequence[Any], Mapping[str, Any]], None]
    ResponseHook: TypeAlias = Callable[[Span, object, Any], None]


class Settings:
    """The arguments of `install`, None by default. Read at every call, so a change counts at once."""

    __slots__ = ("meter_provider", "request_hook", "response_hook", "tracer_provider")

    def __init__(self) -> None:
        self.tracer_provider: TracerProvider | None = None
        self.meter_provider: MeterProvider | None = None
        self.request_hook: RequestHook | None = None
        self.response_hook: ResponseHook | None = None

    def update(
        self,
        *,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        request_hook: RequestHook | None,
        response_hook: ResponseHook | None,
    ) -> None:
        """Take over what is given; None leaves a setting as it is."""
        if tracer_provider is not None:
            self.tracer_provider = tracer_provider
        if meter_provider is not None:
            self.meter_provider = meter_provider
        if request_hook is not None:
            self.request_hook = request_hook
        if response_hook is not None:
            self.response_hook = response_hook

"""One call of an operation: its span, its duration, and what the call and its result say about it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind

from mem0_telemetry._clock import monotonic
from mem0_telemetry._guard import guard
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.operations import _content, _semconv
from mem0_telemetry.operations._phase import Phase
from mem0_telemetry.operations._span import CurrentSpan, error_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from opentelemetry.metrics import Histogram
    from opentelemetry.trace import Tracer
    from opentelemetry.util.types import AttributeValue

    from mem0_telemetry.operations._calls import Call, Method, PhaseMethod
    from mem0_telemetry.operations._components import Components
    from mem0_telemetry.operations._settings import Settings

    Attributes: TypeAlias = Mapping[str, AttributeValue]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ONE_RECORD = frozenset({"update", "delete"})
_COUNTED_IN_RESULT = frozenset({"add", "search", "get", "get_all"})


class Operation(CurrentSpan):
    """An operation under way. It never raises an exception of ours."""

    __slots__ = ("_histogram", "_labels", "_method", "_settings", "_started", "instance", "tracer")

    component = None

    def __init__(
        self, instance: object, method: Method, histogram: Histogram | None, settings: Settings
    ) -> None:
        self.instance = instance
        self.tracer: Tracer | None = None
        self._method = method
        self._labels = method.labels
        self._histogram = histogram
        self._settings = settings

    @property
    def operation(self) -> Operation:
        """Return itself: an operation is a scope, as its phases are."""
        return self

    def begin(self, call: Call, tracer: Tracer | None, components: Components) -> None:
        """Start the span and the clock; make the components' calls phases where the span records."""
        with guard("reading the labels of an operation"):
            self._labels = _labels(call, self.instance)
        attributes = {**self._labels, _semconv.CODE_FUNCTION_NAME: self._method.function}
        with guard("reading the call of an operation"):
            _read_request(call, self.instance, attributes)
        kind = SpanKind.CLIENT if self._method.hosted else SpanKind.INTERNAL
        is_recording = self._start(
            tracer, str(self._labels[_semconv.GEN_AI_OPERATION_NAME]), attributes, kind
        )
        self._started = monotonic()
        if not is_recording:
            return
        self.tracer = tracer
        try:
            if not self._method.hosted:
                components.meet(self.instance)
            if _content.is_captured():
                with guard("reading the content of a call"):
                    self._set(_request_content(call))
            self._call_hook(self._settings.request_hook, call.args[1:], call.kwargs)
        except BaseException as error:  # Ctrl-C, say: it passes, and the span must not stay the current one
            self.fail(error)
            raise

    def begin_phase(
        self, method: PhaseMethod, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Phase | None:
        """Begin a phase of this operation; None where that fails."""
        with guard("beginning a phase"):
            phase = Phase(self, method, args[0])
            phase.begin(args, kwargs)
            return phase
        return None

    def succeed(self, result: Any) -> None:
        """End the operation with what it returned."""
        try:
            if self.span is not None and self.span.is_recording():
                if self._method.name in _COUNTED_IN_RESULT:
                    with guard("reading the result of an operation"):
                        self._read_result(result)
                self._call_hook(self._settings.response_hook, result)
        finally:
            self._finish()

    def fail(self, error: BaseException) -> None:
        """End the operation with the exception that it raised."""
        try:
            with guard("reading the failure of an operation"):
                self._labels = {**self._labels, _semconv.ERROR_TYPE: error_type(error)}
                self._fail(error)
        finally:
            self._finish()

    def _finish(self) -> None:
        self.instance = self.tracer = None  # a task that outlives the operation would keep the object alive
        try:
            if self._histogram is not None:
                with guard("recording the duration of an operation"):
                    self._histogram.record(monotonic() - self._started, self._labels)
        finally:
            self._end()

    def _call_hook(self, hook: Any, *arguments: Any) -> None:
        if hook is not None:
            with guard("calling a hook of the application"):
                hook(self.span, self.instance, *arguments)

    def _read_result(self, result: Any) -> None:
        records = [] if result is None else mem0.records_of(result)
        if records is None:
            return
        self._set({_semconv.GEN_AI_MEMORY_RECORD_COUNT: len(records)})
        if records and _content.is_captured():
            self._set({_semconv.GEN_AI_MEMORY_RECORDS: _content.records_json(records)})


def _labels(call: Call, instance: object) -> Attributes:
    """Return the attributes that span and histogram share."""
    labels = call.method.labels
    if call.method.name == "add" and mem0.creates_records(call.args, call.kwargs):
        labels = {**labels, _semconv.GEN_AI_OPERATION_NAME: _semconv.CREATE_MEMORY}
    if call.method.hosted:
        host = mem0.own_attribute(instance, "host")
        labels = {**labels, **_server_attributes(_content.text_of(host))}
    return labels


@lru_cache(maxsize=16)
def _server_attributes(url: str) -> dict[str, AttributeValue]:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:  # a bracket that is not closed, a port that is no number
        return {}
    if not parts.hostname:
        return {}
    return {_semconv.SERVER_ADDRESS: parts.hostname, **({_semconv.SERVER_PORT: port} if port else {})}


def _read_request(call: Call, instance: object, attributes: dict[str, AttributeValue]) -> None:
    """Add what a call says, without its content."""
    store = mem0.store_of(instance)
    if store is not None:
        attributes[_semconv.GEN_AI_MEMORY_STORE_ID] = _content.encodable(store)
    parameter = call.method.parameter
    if parameter == "memory_id":
        subject = mem0.argument(parameter, 1, call.args, call.kwargs)
        if subject is not None:
            attributes[_semconv.GEN_AI_MEMORY_RECORD_ID] = _content.text_of(subject)
            if call.method.name in _ONE_RECORD:
                attributes[_semconv.GEN_AI_MEMORY_RECORD_COUNT] = 1
    elif parameter == "memories":
        subject = mem0.argument(parameter, 1, call.args, call.kwargs)
        if isinstance(subject, list):
            attributes[_semconv.GEN_AI_MEMORY_RECORD_COUNT] = len(subject)


def _request_content(call: Call) -> dict[str, AttributeValue]:
    method, args, kwargs = call
    subject = mem0.argument(method.parameter, 1, args, kwargs) if method.parameter else None
    if method.name == "search" and isinstance(subject, str):
        return {_semconv.GEN_AI_MEMORY_QUERY_TEXT: _content.encodable(subject)}
    records: list[dict[str, Any]] = []
    if method.name == "update":
        position = 0 if method.hosted else 2  # keyword or option of the hosted clients
        text = mem0.argument("text", position, args, kwargs) or kwargs.get("data")
        records = [{"text": text, "id": subject}] if text is not None else []
    elif method.name == "batch_update" and isinstance(subject, list):
        records = [{**entry, "id": entry.get("memory_id")} for entry in subject if isinstance(entry, dict)]
    return {_semconv.GEN_AI_MEMORY_RECORDS: _content.records_json(records)} if records else {}

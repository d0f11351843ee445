"""One call of an operation: its span, its duration, and what the call and its result say about it."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mem0_telemetry._guard import guard
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.operations import _content, _semconv
from mem0_telemetry.operations._scope import Scope
from mem0_telemetry.operations._span import CurrentSpan, error_type, is_suppressed

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram
    from opentelemetry.trace import Tracer
    from opentelemetry.util.types import AttributeValue

    from mem0_telemetry.operations._calls import Call, Method
    from mem0_telemetry.operations._settings import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ONE_RECORD = frozenset({"update", "delete"})
_COUNTED_IN_RESULT = frozenset({"add", "search", "get", "get_all"})


def begin(
    call: Call, tracer: Tracer | None, histogram: Histogram | None, settings: Settings
) -> Operation | None:
    """Begin an operation; None where instrumentation is suppressed in this context."""
    if is_suppressed():
        return None
    return Operation(call, tracer=tracer, histogram=histogram, settings=settings)


class Operation:
    """An operation under way. Begins when it is made, ends with `succeed` or `fail`; neither ever raises."""

    __slots__ = (
        "_captured",
        "_histogram",
        "_labels",
        "_method",
        "_settings",
        "_span",
        "_started",
        "instance",
        "over",
        "tracer",
    )

    def __init__(
        self, call: Call, *, tracer: Tracer | None, histogram: Histogram | None, settings: Settings
    ) -> None:
        self.instance: object = call.instance
        self.tracer = tracer
        self.over = False
        self._method = call.method
        self._histogram = histogram
        self._settings = settings
        self._captured = _content.is_captured()
        name, self._labels = _labels(call)
        self._span = CurrentSpan(
            tracer,
            Scope(self),
            name=name,
            attributes={**self._labels, **_request_attributes(call, captured=self._captured)},
            client=call.method.hosted,
        )
        self._started = time.perf_counter()
        try:
            self._call_hook(settings.request_hook, call.args[1:], call.kwargs)
        except BaseException as error:  # Ctrl-C, say: it passes, and the span must not stay the current one
            self.fail(error)
            raise

    def succeed(self, result: Any) -> None:
        """End the operation with what it returned."""
        with guard("reading the result of an operation"):
            if self._is_recording():
                self._span.set_attributes(_result_attributes(self._method, result, captured=self._captured))
        try:
            self._call_hook(self._settings.response_hook, result)
        finally:
            self._end()

    def fail(self, error: BaseException) -> None:
        """End the operation with the exception that it raised."""
        with guard("reading the failure of an operation"):
            self._labels[_semconv.ERROR_TYPE] = error_type(error)
            self._span.fail(error)
        self._end()

    def _end(self) -> None:
        self.over = True
        self.instance = None  # a task that outlives the operation would keep the object alive
        duration = time.perf_counter() - self._started
        with guard("recording the duration of an operation"):
            if self._histogram is not None:
                self._histogram.record(duration, self._labels)
        with guard("ending the span of an operation"):
            self._span.end()

    def _is_recording(self) -> bool:
        return self._span.span is not None and self._span.span.is_recording()

    def _call_hook(self, hook: Any, *arguments: Any) -> None:
        if hook is not None and self._is_recording():
            with guard("calling a hook of the application"):
                hook(self._span.span, self.instance, *arguments)


def _labels(call: Call) -> tuple[str, dict[str, AttributeValue]]:
    """Return the operation's name and the attributes that span and histogram share."""
    name = _semconv.OPERATION_NAMES[call.method.name]
    if call.method.name == "add" and mem0.creates_records(call.args, call.kwargs):
        name = _semconv.CREATE_MEMORY
    labels: dict[str, AttributeValue] = {_semconv.GEN_AI_OPERATION_NAME: name}
    if call.method.hosted:
        labels[_semconv.GEN_AI_PROVIDER_NAME] = _semconv.HOSTED_PROVIDER
        labels.update(_server_attributes(str(mem0.own_attribute(call.instance, "host"))))
    return name, labels


@lru_cache(maxsize=16)
def _server_attributes(url: str) -> dict[str, AttributeValue]:
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return {_semconv.SERVER_ADDRESS: parts.hostname, **({_semconv.SERVER_PORT: port} if port else {})}


def _request_attributes(call: Call, *, captured: bool) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {_semconv.CODE_FUNCTION_NAME: call.method.function}
    store = mem0.store_of(call.instance)
    if store is not None:
        attributes[_semconv.GEN_AI_MEMORY_STORE_ID] = store
    parameter = mem0.METHODS[call.method.name]
    subject = mem0.argument(parameter, 1, call.args, call.kwargs) if parameter else None
    if parameter == "memory_id" and subject is not None:
        attributes[_semconv.GEN_AI_MEMORY_RECORD_ID] = str(subject)
        if call.method.name in _ONE_RECORD:
            attributes[_semconv.GEN_AI_MEMORY_RECORD_COUNT] = 1
    elif parameter == "memories" and isinstance(subject, list):
        attributes[_semconv.GEN_AI_MEMORY_RECORD_COUNT] = len(subject)
    if captured:
        attributes.update(_request_content(call, subject))
    return attributes


def _request_content(call: Call, subject: Any) -> dict[str, AttributeValue]:
    method = call.method
    if method.name == "search" and isinstance(subject, str):
        return {_semconv.GEN_AI_MEMORY_QUERY_TEXT: subject}
    records: list[dict[str, Any]] = []
    if method.name == "update":
        position = 0 if method.hosted else 2  # keyword or option of the hosted clients
        text = mem0.argument("text", position, call.args, call.kwargs) or call.kwargs.get("data")
        records = [{"text": text, "id": subject}] if text is not None else []
    elif method.name == "batch_update" and isinstance(subject, list):
        records = [{**entry, "id": entry.get("memory_id")} for entry in subject if isinstance(entry, dict)]
    return {_semconv.GEN_AI_MEMORY_RECORDS: _content.records_json(records)} if records else {}


def _result_attributes(method: Method, result: Any, *, captured: bool) -> dict[str, AttributeValue]:
    if method.name not in _COUNTED_IN_RESULT:
        return {}
    records = [] if result is None else mem0.records_of(result)
    if records is None:
        return {}
    attributes: dict[str, AttributeValue] = {_semconv.GEN_AI_MEMORY_RECORD_COUNT: len(records)}
    if records and captured:
        attributes[_semconv.GEN_AI_MEMORY_RECORDS] = _content.records_json(records)
    return attributes

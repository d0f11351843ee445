# SPDX-License-Identifier: Apache-2.0
"""Record one call of an operation: its span, its duration, and attributes of its arguments and result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.base.guard import guard
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.mem0_internals.instance import fields_of
from mem0_telemetry.operations import _content, _semconv
from mem0_telemetry.operations._calls import Method, Settings
from mem0_telemetry.operations._components import Components
from mem0_telemetry.operations._recording import Recording
from opentelemetry import context

if TYPE_CHECKING:  # `_signals` would mistake our import for the application's
    from opentelemetry.metrics import Histogram

Attributes: TypeAlias = Mapping[str, AttributeValue]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_RECORDS = frozenset({"memory_id", "memories"})
_ONE_RECORD = frozenset({"update", "delete"})
_COUNTED_IN_RESULT = frozenset({"add", "search", "get", "get_all"})


class Operation(Recording):
    """An operation in progress: it has a span and a duration."""

    # Ctrl-C may interrupt the constructor after it has set the scope, which then has no effect, like an ended one.
    instance: object = None
    tracer: Tracer | None = None

    def __init__(self, method: Method, histogram: Histogram | None, settings: Settings) -> None:
        super().__init__((self, None))
        self._method = method
        self._labels = method.labels
        self._histogram = histogram
        self._settings = settings
        self._captured = False
        self._started = monotonic()

    def begin(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        tracer: Tracer | None,
        around: context.Context,
        components: Components,
    ) -> None:
        """Start the span. If it records, calls to the components become phases."""
        method = self._method
        attributes = dict(method.attributes)
        try:
            store = mem0.store_of(self.instance)
            if store is not None:
                attributes[_semconv.GEN_AI_MEMORY_STORE_ID] = _content.encodable(store)
            if method.hosted or method.name == "add":
                self._labels = _labels(method, self.instance, args, kwargs)
                attributes.update(self._labels)
            if method.parameter in _RECORDS:
                _read_records(method, args, kwargs, attributes)
        finally:
            kind = SpanKind.CLIENT if method.hosted else SpanKind.INTERNAL
            self._start(tracer, attributes[_semconv.GEN_AI_OPERATION_NAME], kind, attributes, around)
        if self.span is None:
            return
        self.tracer = tracer
        if not method.hosted:
            components.instrument(self.instance)
        self._captured = _content.is_captured()
        if self._captured:
            with guard("reading the content of a call"):
                self.span.set_attributes(_request_content(method, args, kwargs))
        self._call_hook(self._settings.request_hook, args[1:], kwargs)

    def _read_result(self, span: Span, result: Any) -> None:
        if self._method.name in _COUNTED_IN_RESULT:
            with guard("reading the result of an operation"):
                records = [] if result is None else mem0.records_of(result)
                if records is not None:
                    span.set_attribute(_semconv.GEN_AI_MEMORY_RECORD_COUNT, len(records))
                if records and self._captured:
                    span.set_attribute(_semconv.GEN_AI_MEMORY_RECORDS, _content.records_json(records))
        self._call_hook(self._settings.response_hook, result)

    def _read_error(self, error: BaseException, kind: str) -> None:
        self._labels = {**self._labels, _semconv.ERROR_TYPE: kind}
        super()._read_error(error, kind)

    def _end(self) -> None:
        self.instance = self.tracer = None  # a task that outlives the operation would keep the object alive
        try:
            if self._histogram is not None:
                self._histogram.record(monotonic() - self._started, self._labels)
        finally:
            super()._end()

    def _call_hook(self, hook: Any, *arguments: Any) -> None:
        if hook is not None:
            with guard("calling a hook of the application"):
                hook(self.span, self.instance, *arguments)


def _labels(method: Method, instance: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Attributes:
    """Return the attributes that the span and the histogram share."""
    labels = dict(method.labels)
    if method.name == "add" and mem0.creates_records(args, kwargs):
        labels[_semconv.GEN_AI_OPERATION_NAME] = _semconv.CREATE_MEMORY
    if method.hosted:
        labels.update(_server_attributes(_content.text_of(fields_of(instance).get("host"))))
    return labels


@lru_cache(maxsize=16)
def _server_attributes(url: str) -> dict[str, AttributeValue]:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:  # an unclosed bracket, or a port that is not a number
        return {}
    if not parts.hostname:
        return {}
    return {_semconv.SERVER_ADDRESS: parts.hostname, **({_semconv.SERVER_PORT: port} if port else {})}


def _read_records(
    method: Method, args: Sequence[Any], kwargs: Mapping[str, Any], attributes: dict[str, AttributeValue]
) -> None:
    """Add the id of the record that a call is about, or the number of records."""
    subject = mem0.argument(method.parameter, 1, args, kwargs)
    if isinstance(subject, list) and method.parameter == "memories":
        attributes[_semconv.GEN_AI_MEMORY_RECORD_COUNT] = len(subject)
    elif subject is not None and method.parameter == "memory_id":
        attributes[_semconv.GEN_AI_MEMORY_RECORD_ID] = _content.text_of(subject)
        if method.name in _ONE_RECORD:
            attributes[_semconv.GEN_AI_MEMORY_RECORD_COUNT] = 1


def _request_content(
    method: Method, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, AttributeValue]:
    subject = mem0.argument(method.parameter, 1, args, kwargs) if method.parameter else None
    if method.name == "search" and isinstance(subject, str):
        return {_semconv.GEN_AI_MEMORY_QUERY_TEXT: _content.encodable(subject)}
    records: list[dict[str, Any]] = []
    if method.name == "update":
        position = 0 if method.hosted else 2  # the hosted clients take it as a keyword or option
        text = mem0.argument("text", position, args, kwargs) or kwargs.get("data")
        records = [{"text": text, "id": subject}] if text is not None else []
    elif method.name == "batch_update" and isinstance(subject, list):
        records = [{**entry, "id": entry.get("memory_id")} for entry in subject if isinstance(entry, dict)]
    return {_semconv.GEN_AI_MEMORY_RECORDS: _content.records_json(records)} if records else {}

"""One phase of an operation: the span of a call from Mem0 to one of its components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mem0_telemetry._guard import guard
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.operations import _content, _semconv
from mem0_telemetry.operations._span import CurrentSpan, error_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.util.types import AttributeValue

    from mem0_telemetry.operations._calls import PhaseMethod
    from mem0_telemetry.operations._scope import UnderWay

_DATABASES = frozenset({"vector_store", "history"})
_ROWS_IN_RESULT = frozenset({"search", "keyword_search", "list", "get_history", "get_last_messages"})
_BATCHES = {"insert": "vectors", "search_batch": "queries", "batch_add_history": "records"}


class Phase(CurrentSpan):
    """A phase under way. It never raises an exception of ours."""

    __slots__ = ("_method", "component", "operation")

    def __init__(self, operation: UnderWay, method: PhaseMethod, component: object) -> None:
        self.operation = operation
        self.component = component
        self._method = method

    def begin(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Start the span."""
        method = self._method
        attributes: dict[str, AttributeValue] = {}
        try:
            attributes.update(_class_attributes(method, type(self.component)))
            _read_request(method, args, kwargs, attributes)
        finally:
            self._start(self.operation.tracer, method.span_name, attributes)

    def succeed(self, result: Any) -> None:
        """End the phase with what the component returned."""
        with guard("ending a phase"):
            try:
                self._set(_result_attributes(self._method, result))
            finally:
                self._end()

    def fail(self, error: BaseException) -> None:
        """End the phase with the exception that the component raised, whatever Mem0 makes of it."""
        with guard("ending a phase that failed"):
            try:
                self._fail(error, error_type(error))
            finally:
                self._end()


def _class_attributes(method: PhaseMethod, cls: type) -> Mapping[str, AttributeValue]:
    """Return what is the same for every call on components of one class."""
    known = method.known.get(cls)
    if known is None:
        known = method.known[cls] = _look_up_class(method, cls)
    return known


def _look_up_class(method: PhaseMethod, cls: type) -> dict[str, AttributeValue]:
    provider = mem0.provider_of(method.interface, cls)
    attributes: dict[str, AttributeValue] = {}
    if method.interface in _DATABASES:
        _set_text(attributes, _semconv.DB_SYSTEM_NAME, _semconv.DB_SYSTEM_NAMES.get(str(provider), provider))
        attributes[_semconv.DB_OPERATION_NAME] = method.name
    else:
        named = _semconv.PROVIDER_NAMES.get(str(provider), provider)
        _set_text(attributes, _semconv.GEN_AI_PROVIDER_NAME, named)
    return attributes


def _read_request(
    method: PhaseMethod, args: Sequence[Any], kwargs: Mapping[str, Any], attributes: dict[str, AttributeValue]
) -> None:
    component = args[0]
    if method.interface in _DATABASES:
        _set_text(attributes, _semconv.DB_COLLECTION_NAME, mem0.own_attribute(component, "collection_name"))
        if method.name in _BATCHES:
            size = _length(mem0.argument(_BATCHES[method.name], 1, args, kwargs))
            if size is not None and size > 1:  # one is no batch to the conventions
                attributes[_semconv.DB_OPERATION_BATCH_SIZE] = size
        return
    model = mem0.own_attribute(mem0.own_attribute(component, "config"), "model")
    _set_text(attributes, _semconv.GEN_AI_REQUEST_MODEL, model)
    if method.interface == "embedder":
        texts = mem0.argument("texts", 1, args, kwargs) if method.name == "embed_batch" else (None,)
        _set_number(attributes, _semconv.MEM0_EMBED_TEXT_COUNT, _length(texts))
        _set_text(attributes, _semconv.MEM0_EMBED_ACTION, mem0.argument("memory_action", 2, args, kwargs))
    elif method.interface == "reranker":
        documents = mem0.argument("documents", 2, args, kwargs)
        _set_number(attributes, _semconv.MEM0_RERANK_DOCUMENT_COUNT, _length(documents))


def _result_attributes(method: PhaseMethod, result: Any) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    if method.interface == "embedder":
        vector = result[0] if method.name == "embed_batch" and _length(result) else result
        _set_number(attributes, _semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, _length(vector))
    elif method.interface in _DATABASES and method.name in _ROWS_IN_RESULT:
        _set_number(attributes, _semconv.DB_RESPONSE_RETURNED_ROWS, mem0.rows_of(result))
    return attributes


def _set_text(attributes: dict[str, AttributeValue], key: str, value: Any) -> None:
    if isinstance(value, str) and value:
        attributes[key] = _content.encodable(value)


def _set_number(attributes: dict[str, AttributeValue], key: str, value: int | None) -> None:
    if value is not None:
        attributes[key] = value


def _length(value: object) -> int | None:
    return len(value) if isinstance(value, (list, tuple)) else None

"""One phase of an operation: the span of a call from Mem0 to one of its components."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from mem0_telemetry._guard import guard
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.operations import _semconv
from mem0_telemetry.operations._scope import Scope
from mem0_telemetry.operations._span import CurrentSpan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.util.types import AttributeValue

    from mem0_telemetry.operations._calls import PhaseMethod
    from mem0_telemetry.operations._scope import UnderWay

_DATABASES = frozenset({"vector_store", "history"})
_ROWS_IN_RESULT = frozenset({"search", "keyword_search", "list", "get_history", "get_last_messages"})
_BATCHES = {"insert": "vectors", "search_batch": "queries", "batch_add_history": "records"}

_known_classes: weakref.WeakKeyDictionary[type, dict[str, dict[str, AttributeValue]]] = (
    weakref.WeakKeyDictionary()
)


class Phase:
    """A phase under way. Begins when it is made, ends with `succeed` or `fail`; neither ever raises."""

    __slots__ = ("_method", "_span")

    def __init__(
        self, operation: UnderWay, method: PhaseMethod, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self._method = method
        self._span = CurrentSpan(
            operation.tracer,
            Scope(operation, args[0]),
            name=_semconv.PHASE_NAMES[method.interface][method.name],
            attributes=_request_attributes(method, args, kwargs),
        )

    def succeed(self, result: Any) -> None:
        """End the phase with what the component returned."""
        with guard("reading the result of a phase"):
            self._span.set_attributes(_result_attributes(self._method, result))
        with guard("ending the span of a phase"):
            self._span.end()

    def fail(self, error: BaseException) -> None:
        """End the phase with the exception that the component raised, whatever Mem0 makes of it."""
        with guard("reading the failure of a phase"):
            self._span.fail(error)
        with guard("ending the span of a phase"):
            self._span.end()


def _request_attributes(
    method: PhaseMethod, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, AttributeValue]:
    component = args[0]
    attributes = _class_attributes(method.interface, type(component)).copy()
    if method.interface in _DATABASES:
        attributes[_semconv.DB_OPERATION_NAME] = method.name
        _set(attributes, _semconv.DB_COLLECTION_NAME, mem0.own_attribute(component, "collection_name"), str)
        size = _length(mem0.argument(_BATCHES.get(method.name, ""), 1, args, kwargs))
        if method.name in _BATCHES and size is not None and size > 1:  # one is no batch to the conventions
            attributes[_semconv.DB_OPERATION_BATCH_SIZE] = size
        return attributes
    model = mem0.own_attribute(mem0.own_attribute(component, "config"), "model")
    _set(attributes, _semconv.GEN_AI_REQUEST_MODEL, model, str)
    if method.interface == "embedder":
        texts = mem0.argument("texts", 1, args, kwargs) if method.name == "embed_batch" else (None,)
        _set(attributes, _semconv.MEM0_EMBED_TEXT_COUNT, _length(texts), int)
        _set(attributes, _semconv.MEM0_EMBED_ACTION, mem0.argument("memory_action", 2, args, kwargs), str)
    elif method.interface == "reranker":
        documents = mem0.argument("documents", 2, args, kwargs)
        _set(attributes, _semconv.MEM0_RERANK_DOCUMENT_COUNT, _length(documents), int)
    return attributes


def _result_attributes(method: PhaseMethod, result: Any) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    if method.interface == "embedder":
        vector = result[0] if method.name == "embed_batch" and _length(result) else result
        _set(attributes, _semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, _length(vector), int)
    elif method.interface in _DATABASES and method.name in _ROWS_IN_RESULT:
        _set(attributes, _semconv.DB_RESPONSE_RETURNED_ROWS, mem0.rows_of(result), int)
    return attributes


def _class_attributes(interface: str, cls: type) -> dict[str, AttributeValue]:
    """Return what is the same for every call on components of one class."""
    known = _known_classes.setdefault(cls, {})
    if interface not in known:
        known[interface] = _look_up_class(interface, cls)
    return known[interface]


def _look_up_class(interface: str, cls: type) -> dict[str, AttributeValue]:
    provider = mem0.provider_of(interface, cls)
    attributes: dict[str, AttributeValue] = {}
    if provider is not None and interface in _DATABASES:
        attributes[_semconv.DB_SYSTEM_NAME] = _semconv.DB_SYSTEM_NAMES.get(provider, provider)
    elif provider is not None:
        attributes[_semconv.GEN_AI_PROVIDER_NAME] = _semconv.PROVIDER_NAMES.get(provider, provider)
    return attributes


def _set(attributes: dict[str, AttributeValue], key: str, value: Any, kind: type[str | int]) -> None:
    if isinstance(value, kind) and value != "":
        attributes[key] = value


def _length(value: object) -> int | None:
    return len(value) if isinstance(value, (list, tuple)) else None

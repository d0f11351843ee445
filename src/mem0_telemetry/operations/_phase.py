# SPDX-License-Identifier: Apache-2.0
"""Record a phase of an operation: one call from Mem0 to one of its components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.mem0_internals.instance import fields_of
from mem0_telemetry.operations import _content, _semconv
from mem0_telemetry.operations._calls import CurrentOperation, PhaseMethod
from mem0_telemetry.operations._recording import Recording
from opentelemetry import context

_ROWS_IN_RESULT = frozenset({"search", "keyword_search", "list", "get_history", "get_last_messages"})
_BATCHES = {"insert": "vectors", "search_batch": "queries", "batch_add_history": "records"}


class Phase(Recording):
    """A phase in progress."""

    def __init__(self, operation: CurrentOperation, method: PhaseMethod, component: object) -> None:
        super().__init__((operation, component))
        self._method = method

    def begin(
        self,
        tracer: Tracer | None,
        provider: Mapping[str, str],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Start the span."""
        attributes: dict[str, AttributeValue] = {**provider}
        try:
            _read_request(self._method, args, kwargs, attributes)
        finally:
            around = context.get_current()
            self._start(tracer, self._method.span_name, SpanKind.INTERNAL, attributes, around)

    def _read_result(self, span: Span, result: Any) -> None:
        method, number = self._method, None
        if method.interface == "embedder":
            key = _semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT
            vector = result[0] if method.name == "embed_batch" and _length(result) else result
            number = _length(vector) or None  # a batch of no texts has no dimension
        elif method.interface in _semconv.DATABASES and method.name in _ROWS_IN_RESULT:
            key = _semconv.DB_RESPONSE_RETURNED_ROWS
            number = mem0.rows_of(result)
        if number is not None:
            span.set_attribute(key, number)


def _read_request(
    method: PhaseMethod, args: Sequence[Any], kwargs: Mapping[str, Any], attributes: dict[str, AttributeValue]
) -> None:
    component = args[0]
    if method.interface in _semconv.DATABASES:
        attributes[_semconv.DB_OPERATION_NAME] = method.name
        _set_text(attributes, _semconv.DB_COLLECTION_NAME, fields_of(component).get("collection_name"))
        if method.name in _BATCHES:
            size = _length(mem0.argument(_BATCHES[method.name], 1, args, kwargs))
            if size is not None and size > 1:  # the conventions do not call one a batch
                attributes[_semconv.DB_OPERATION_BATCH_SIZE] = size
        return
    model = fields_of(fields_of(component).get("config")).get("model")
    _set_text(attributes, _semconv.GEN_AI_REQUEST_MODEL, model)
    if method.interface == "embedder":
        texts = mem0.argument("texts", 1, args, kwargs) if method.name == "embed_batch" else (None,)
        _set_number(attributes, _semconv.MEM0_EMBED_TEXT_COUNT, _length(texts))
        _set_text(attributes, _semconv.MEM0_EMBED_ACTION, mem0.argument("memory_action", 2, args, kwargs))
    elif method.interface == "reranker":
        documents = mem0.argument("documents", 2, args, kwargs)
        _set_number(attributes, _semconv.MEM0_RERANK_DOCUMENT_COUNT, _length(documents))


def _set_text(attributes: dict[str, AttributeValue], key: str, value: Any) -> None:
    if isinstance(value, str) and value:
        attributes[key] = _content.encodable(value)


def _set_number(attributes: dict[str, AttributeValue], key: str, value: int | None) -> None:
    if value is not None:
        attributes[key] = value


def _length(value: object) -> int | None:
    return len(value) if isinstance(value, (list, tuple)) else None

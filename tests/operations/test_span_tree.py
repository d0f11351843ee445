"""`span_tree.lines` shows spans as a tree of lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from mem0_telemetry.cli import span_tree

if TYPE_CHECKING:
    from collections.abc import Mapping


def span(
    number: int, parent: int | None, *, milliseconds: int = 1, attributes: Mapping[str, str] | None = None
) -> ReadableSpan:
    """Return a finished span. Spans with higher numbers start later."""
    start = number * 1_000_000
    return ReadableSpan(
        f"span {number}",
        context=SpanContext(1, number, is_remote=False, trace_flags=TraceFlags(1)),
        parent=None if parent is None else SpanContext(1, parent, is_remote=False, trace_flags=TraceFlags(1)),
        attributes=attributes,
        start_time=start,
        end_time=start + milliseconds * 1_000_000,
    )


def test_a_tree() -> None:
    """Children are below their parent, oldest first, with their duration and their error."""
    failed = span(4, 2, attributes={"error.type": "ValueError"})
    spans = [failed, span(3, 2), span(5, 1), span(2, 1), span(1, None, milliseconds=12)]
    assert list(span_tree.lines(spans)) == [
        "span 1  12.0 ms",
        "├─ span 2  1.0 ms",
        "│  ├─ span 3  1.0 ms",
        "│  └─ span 4  1.0 ms  ! ValueError",
        "└─ span 5  1.0 ms",
    ]


def test_a_span_whose_parent_is_elsewhere() -> None:
    """A span whose parent is not among the spans is a root."""
    assert list(span_tree.lines([span(2, 1), span(3, 2)], describe=lambda _: "")) == ["span 2", "└─ span 3"]

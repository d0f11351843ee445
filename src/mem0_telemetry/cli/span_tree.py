"""Finished spans as a tree of text lines, with durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan


def lines(
    spans: Iterable[ReadableSpan], *, describe: Callable[[ReadableSpan], str] | None = None
) -> Iterator[str]:
    """Yield one line a span: roots and children from the oldest on.

    Args:
        spans: finished spans, in any order. A span whose parent is not among them is drawn as a root.
        describe: what stands beside a span's name; by default how long it took and how it failed.
    """
    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    known = {span.context.span_id for span in ordered if span.context}
    children: dict[int | None, list[ReadableSpan]] = {}
    for span in ordered:
        parent = span.parent.span_id if span.parent is not None else None
        children.setdefault(parent if parent in known else None, []).append(span)
    for root in children.get(None, ()):
        yield from _branch(root, children, describe or took, "", "")


def took(span: ReadableSpan) -> str:
    """Return how long a span took, and `error.type` where it failed."""
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    error = (span.attributes or {}).get("error.type")
    return f"{milliseconds:.1f} ms" + (f"  ! {error}" if error else "")


def _branch(
    span: ReadableSpan,
    children: Mapping[int | None, Sequence[ReadableSpan]],
    describe: Callable[[ReadableSpan], str],
    first: str,
    rest: str,
) -> Iterator[str]:
    yield f"{first}{span.name}  {describe(span)}".rstrip()
    below = children.get(span.context.span_id, ()) if span.context else ()
    for child in below:
        is_last = child is below[-1]
        branch = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield from _branch(child, children, describe, rest + branch[0], rest + branch[1])

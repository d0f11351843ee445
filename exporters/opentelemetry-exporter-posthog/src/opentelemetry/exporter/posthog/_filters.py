"""Ready-made filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


def local_roots(span: ReadableSpan) -> bool:
    """Keep the spans with which work enters this process: their parent is absent, or in another process."""
    return span.parent is None or span.parent.is_remote

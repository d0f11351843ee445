"""Whose event it is, in which session and group, as the context of a log record says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.baggage import get_baggage
from opentelemetry.trace import get_current_span

from opentelemetry.exporter.posthog._identity import distinct_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from opentelemetry.exporter.posthog._options import MappingOptions

DISTINCT_ID: Final = "posthog.distinct_id"
SESSION_ID: Final = "session.id"
GROUP: Final = "posthog.group."


def from_context(attributes: Mapping[Any, Any], context: Context, options: MappingOptions) -> dict[str, Any]:
    """Return what a record with `attributes` lacks and its context has, under the names of attributes.

    Args:
        attributes: of the record, which come first.
        context: of the record: its span, and its baggage as far as the options allow.
        options: which attributes and baggage keys count.
    """
    of_span: Mapping[str, Any] = getattr(get_current_span(context), "attributes", None) or {}
    found: dict[str, Any] = {}
    keys = (*options.distinct_id_attributes, DISTINCT_ID)
    if not any(distinct_id_of(attributes.get(key)) for key in keys):
        candidates = [of_span.get(key) for key in keys]
        candidates += [get_baggage(key, context) for key in options.baggage_keys]
        found[DISTINCT_ID] = next(filter(None, map(distinct_id_of, candidates)), None)
    if options.conventions and of_span:
        found[SESSION_ID] = of_span.get(SESSION_ID)
        found |= {GROUP + kind: of_span.get(key) for kind, key in options.group_attributes.items()}
        found |= {
            key: value for key, value in of_span.items() if isinstance(key, str) and key.startswith(GROUP)
        }
        for kind, key in options.group_attributes.items():
            if attributes.get(key) is not None:  # the record names its own group of this type
                found.pop(GROUP + kind, None)
    return {
        key: value
        for key, value in found.items()
        if value is not None and (key == DISTINCT_ID or attributes.get(key) is None)
    }

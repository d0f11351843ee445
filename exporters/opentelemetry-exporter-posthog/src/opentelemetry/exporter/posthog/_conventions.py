"""Attributes that mean something to PostHog: sessions, groups, and what is known of a person."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._context import GROUP, SESSION_ID
from opentelemetry.exporter.posthog._identity import text_of
from opentelemetry.exporter.posthog._json import clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.exporter.posthog._options import MappingOptions
    from opentelemetry.exporter.posthog._sources import Source

_UUID7: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_OF_PERSONS: Final = {"posthog.set.": "$set", "posthog.set_once.": "$set_once"}
_PREFIXES: Final = (GROUP, *_OF_PERSONS)


def is_meant(key: str) -> bool:
    """Return whether the attribute `key` is one of those here, and no property of its own."""
    return key == SESSION_ID or key.startswith(_PREFIXES)


def properties_of(
    meant: Mapping[str, Any], source: Source, inherited: Mapping[Any, Any], options: MappingOptions
) -> dict[str, Any]:
    """Return the properties that the attributes `meant` make, by their names in PostHog.

    Args:
        meant: attributes for which `is_meant`, of the resource first, then of the record.
        source: the record.
        inherited: all attributes of its resource and scope.
        options: which other attributes are groups.
    """
    properties: dict[str, Any] = {}
    groups: dict[str, str] = {}
    for kind, key in options.group_attributes.items():
        value = source.attributes.get(key)
        _put(groups, kind, inherited.get(key) if value is None else value)
    for key, value in meant.items():
        if key == SESSION_ID:
            text = text_of(value)
            is_session = text is not None and _UUID7.fullmatch(text)
            properties["$session_id" if is_session else SESSION_ID] = text if is_session else value
        elif key.startswith(GROUP):
            _put(groups, key[len(GROUP) :], value)
        else:
            prefix = next(one for one in _OF_PERSONS if key.startswith(one))
            if name := clean_name(key[len(prefix) :]):
                properties.setdefault(_OF_PERSONS[prefix], {})[name] = value
    if groups:
        properties["$groups"] = groups
    if options.trace_context and source.trace_id:
        properties["$trace_id"] = f"{source.trace_id:032x}"
        properties["$span_id"] = f"{source.span_id:016x}"
    return properties


def _put(groups: dict[str, str], kind: str, value: object) -> None:
    name, group = clean_name(kind), text_of(value)
    if name and group:
        groups[name] = group

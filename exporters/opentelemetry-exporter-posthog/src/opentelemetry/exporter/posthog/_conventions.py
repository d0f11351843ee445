# SPDX-License-Identifier: Apache-2.0
"""Attributes with a special meaning in PostHog: the `distinct_id`, session, groups and person properties."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.baggage import get_baggage
from opentelemetry.trace import get_current_span

from opentelemetry.exporter.posthog._identity import distinct_id_of, text_of
from opentelemetry.exporter.posthog._json import clean_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from opentelemetry.exporter.posthog._settings import MappingOptions

DISTINCT_ID: Final = "posthog.distinct_id"
SESSION_ID: Final = "session.id"
UID: Final = "log.record.uid"
_GROUP: Final = "posthog.group."
_UUID7: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_PERSON_PREFIXES: Final = {"posthog.set.": "$set", "posthog.set_once.": "$set_once"}
_PREFIXES: Final = (_GROUP, *_PERSON_PREFIXES)


def is_special(key: str) -> bool:
    """Return whether the attribute `key` holds a session, group or person property instead of an event property."""
    return key == SESSION_ID or key.startswith(_PREFIXES)


def properties_of(
    special: Mapping[str, Any],
    attributes: Mapping[Any, Any],
    inherited: Mapping[Any, Any],
    group_attributes: Mapping[str, str],
) -> dict[str, Any]:
    """Return the properties made from the attributes `special` and from groups, by their names in PostHog.

    Args:
        special: the special attributes (`is_special`), first those of the resource and scope, then the record's.
        attributes: all attributes of the record, which may hold groups.
        inherited: all attributes of its resource and scope, which hold the groups that the record lacks.
        group_attributes: for each group type, the attribute that holds the group.
    """
    properties: dict[str, Any] = {}
    groups: dict[str, str] = {}
    for kind, key in group_attributes.items():
        value = attributes.get(key)
        _add_group(groups, kind, inherited.get(key) if value is None else value)
    for key, value in special.items():
        if key == SESSION_ID:
            text = text_of(value)
            is_session = text is not None and _UUID7.fullmatch(text)
            properties["$session_id" if is_session else SESSION_ID] = text if is_session else value
        elif key.startswith(_GROUP):
            kind = key[len(_GROUP) :]
            # The resource's group does not replace the record's.
            if key in attributes or attributes.get(group_attributes.get(kind)) is None:
                _add_group(groups, kind, value)
        else:
            prefix = next(one for one in _PERSON_PREFIXES if key.startswith(one))
            if name := clean_name(key[len(prefix) :]):
                properties.setdefault(_PERSON_PREFIXES[prefix], {})[name] = value
    if groups:
        properties["$groups"] = groups
    return properties


def _add_group(groups: dict[str, str], kind: str, value: object) -> None:
    name, group = clean_name(kind), text_of(value)
    if name and group:
        groups[name] = group


def from_context(attributes: Mapping[Any, Any], context: Context, options: MappingOptions) -> dict[str, Any]:
    """Return the id, session and groups that a record's `attributes` lack, from the span in its `context`.

    The id may also come from the baggage that the options allow. The result's keys are attribute keys.
    """
    of_span: Mapping[str, Any] = getattr(get_current_span(context), "attributes", None) or {}
    found: dict[str, Any] = {}
    keys = (*options.distinct_id_attributes, DISTINCT_ID)
    if not any(distinct_id_of(attributes.get(key)) for key in keys):
        candidates = [of_span.get(key) for key in keys]
        candidates += [get_baggage(key, context) for key in options.baggage_keys]
        found[DISTINCT_ID] = next(filter(None, map(distinct_id_of, candidates)), None)
    if options.conventions and of_span:
        groups = {_GROUP + kind: key for kind, key in options.group_attributes.items()}
        found[SESSION_ID] = of_span.get(SESSION_ID)
        found |= {name: of_span.get(key) for name, key in groups.items()}
        found |= {key: value for key, value in of_span.items() if str(key).startswith(_GROUP)}
        for name, key in groups.items():
            if attributes.get(key) is not None:  # the record names its own group of this type
                found.pop(name, None)
    return {
        key: value
        for key, value in found.items()
        if value is not None and (key == DISTINCT_ID or attributes.get(key) is None)
    }

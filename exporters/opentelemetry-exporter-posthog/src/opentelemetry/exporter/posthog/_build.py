# SPDX-License-Identifier: Apache-2.0
"""Build one event from its source: its identity, its properties, and its size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._check import MAX_NAME_BYTES, PERSON_KEYS, UUID
from opentelemetry.exporter.posthog._conventions import DISTINCT_ID, SESSION_ID, UID, properties_of
from opentelemetry.exporter.posthog._exceptions import cut_exceptions
from opentelemetry.exporter.posthog._identity import (
    Ordinals,
    derived_uuid,
    encode_distinct_id,
    encode_short_id,
    text_of,
    timestamp_of,
    uuid_of,
)
from opentelemetry.exporter.posthog._json import UNLIMITED, clean, clean_name, encode, fits, to_json
from opentelemetry.exporter.posthog._members import MAX_KEYS, MemberEncoder, joined
from opentelemetry.exporter.posthog._redact import clean_urls
from opentelemetry.exporter.posthog._version import __version__
from opentelemetry.exporter.posthog._warnings import warn_once

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from opentelemetry.exporter.posthog._settings import MappingOptions
    from opentelemetry.exporter.posthog._sources import Source

_SURELY_FITS: Final = 100 * 1024
_LIMITS: Final = (UNLIMITED, 65_536, 8_192, 1_024, 128)
"""The limits for values (see `clean`) that are tried in turn on an event that is too large."""
_CACHED: Final = 1024
_MAX_SHARED: Final = 4096
"""Characters of inherited members that may be cached again for each set of a record's property names."""
_EXCEPTION: Final = '"$exception"'
_CUT: Final = "posthog.cut"


class NotAnEvent(Exception):  # noqa: N818  # not an error
    """A record cannot become an event. The text is the drop reason that is counted."""


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity, for the cache
class Inherited:
    """The attributes that all records of one resource and scope share, and their encoding."""

    resource: Resource | None
    scope: InstrumentationScope | None
    values: dict[Any, Any]
    """The attributes of the resource and the scope."""
    special: dict[str, Any]
    """The special ones among them (`is_special`)."""
    identity: tuple[str, str] | None
    """The `distinct_id` that they contain, as JSON, and the key of its attribute; None if they contain none."""
    members: dict[str, str]
    """The properties from the other attributes: JSON members by property name."""
    size: int
    """Characters in `members`."""


class EventBuilder:
    """Builds events; `encoder` encodes their attributes. Thread-safe."""

    def __init__(self, options: MappingOptions) -> None:
        self._options = options
        self._person_profiles = options.person_profiles
        self._adds_ids = options.conventions and bool(options.group_attributes or options.trace_context)
        self._event_names = dict(options.event_names)
        self.encoder = MemberEncoder(options)
        self._distinct_id_attributes = tuple(dict.fromkeys((*options.distinct_id_attributes, DISTINCT_ID)))
        self._fallback_distinct_id = encode(options.fallback_distinct_id)
        self._fields = {
            key: name
            for key in {*self._distinct_id_attributes, UID} - set(options.property_names)
            if (name := self.encoder.name_of(key))
        }
        """For each attribute that may become a field of the event: the property that is then left out."""
        self._constants = [_constants_of(options, personless=personless) for personless in (False, True)]
        self._cached_shared_members = lru_cache(_CACHED)(self._shared_members)
        self._encode_short_name = lru_cache(_CACHED)(self._encode_name)
        self._ordinals = Ordinals()

    def inherited(
        self, resource: Resource | None, scope: InstrumentationScope | None, *, limit: int = UNLIMITED
    ) -> Inherited:
        """Encode the attributes that all records of `resource` and `scope` share."""
        values: dict[Any, Any] = dict(resource.attributes) if resource else {}
        if scope:
            values["otel.scope.name"] = scope.name
            if scope.version:
                values["otel.scope.version"] = scope.version
            values.update(scope.attributes or {})
        members = self.encoder.encode_each(values, limit=limit)
        special = {key: values[key] for key in self.encoder.special_keys(values)}
        size = sum(map(len, members.values()))
        return Inherited(resource, scope, values, special, self._identity(values), members, size)

    def forget(self) -> None:
        """Clear the cache, which keeps each `Inherited` and its resource alive."""
        self._cached_shared_members.cache_clear()

    def build(
        self,
        source: Source,
        inherited: Inherited,
        changes: Counter[str],
        exception: dict[str, Any] | None = None,
    ) -> bytes:
        """Return the event of `source` as JSON.

        Args:
            source: the parts of the event; this method may change `source.attributes`.
            inherited: the attributes of the record's resource and scope.
            changes: incremented if the event lacks data of its record (`ExporterStats.changed`).
            exception: the additional properties of an event for error tracking.

        Raises:
            NotAnEvent: the source cannot become an event.
        """
        attributes = source.attributes
        name = _EXCEPTION if exception else self._name_of(source.name)
        distinct_id, identified_by = (
            self._identity(attributes) or inherited.identity or self._derived(source, inherited)
        )
        hidden = self._fields.get(identified_by, "")
        if hidden:
            attributes.pop(identified_by, None)
        uid, uuid = attributes.get(UID), ""
        if uid is not None and uid != "":
            uuid = uuid_of(uid if isinstance(uid, str) else to_json(uid))
            if isinstance(uid, str) and UUID.fullmatch(uid) and UID in self._fields:
                del attributes[UID]
        elif source.is_unique:
            uuid = derived_uuid(source.origin.encode())
        timestamp = timestamp_of(source.times)
        when = f',"timestamp":"{timestamp}"' if timestamp else ""
        constants, text = self._properties(source, inherited, identified_by, changes, exception)
        properties = text.encode()
        if not uuid:
            content = f"{name}{distinct_id if identified_by else ''}{when}{source.origin}"
            uuid = self._ordinals.uuid_of(source.record, derived_uuid(content.encode() + properties))
        head = (
            f'{{"event":{name},"distinct_id":{distinct_id},"uuid":"{uuid}"{when},"properties":{{{constants}'
        )
        return (head.encode() + properties)[:-1] + b"}}"

    def _name_of(self, name: object) -> str:
        """Return the event's name as JSON; raise NotAnEvent if it is missing or reserved by PostHog."""
        if not isinstance(name, str):
            raise NotAnEvent("no_name")
        return self._encode_short_name(name) if len(name) <= MAX_NAME_BYTES else self._encode_name(name)

    def _encode_name(self, name: str) -> str:
        mapped = self._event_names.get(name)
        if mapped is None and name.startswith("$"):
            raise NotAnEvent("reserved_name")
        cleaned = clean_name(name if mapped is None else mapped)
        if not cleaned.strip():
            raise NotAnEvent("no_name")
        encoded = encode(cleaned)
        if encoded == _EXCEPTION:
            warn_once(
                f"event_names maps {name!r} to '$exception', which PostHog's error tracking cannot read without "
                "a list of exceptions, so it is not sent: set exceptions=True (or OTEL_EXPORTER_POSTHOG_EXCEPTIONS)."
            )
            raise NotAnEvent("bare_exception")
        return encoded

    def _identity(self, attributes: Mapping[Any, Any]) -> tuple[str, str] | None:
        """Return the `distinct_id` as JSON and the key of its attribute; None if no attribute holds one."""
        for key in self._distinct_id_attributes:
            value = attributes.get(key)
            if value is not None:
                is_short = type(value) is str and len(value) <= MAX_NAME_BYTES
                distinct_id = encode_short_id(value) if is_short else encode_distinct_id(value)
                if distinct_id:
                    return distinct_id, key
        return None

    def _derived(self, source: Source, inherited: Inherited) -> tuple[str, str]:
        """Return the `distinct_id` from the session, the trace or the process, and an empty key."""
        of_resource = inherited.values.get(SESSION_ID)
        session = source.attributes.get(SESSION_ID, of_resource) if self._options.conventions else None
        if session is not None and (text := text_of(session)):
            origin = f"session/{text}"
        elif source.trace_id:
            origin = f"trace/{source.trace_id:032x}"
        else:
            return self._fallback_distinct_id, ""
        return f'"{derived_uuid(origin.encode())}"', ""

    def _properties(
        self,
        source: Source,
        inherited: Inherited,
        identified_by: str,
        changes: Counter[str],
        exception: dict[str, Any] | None,
    ) -> tuple[str, str]:
        """Encode the members of `properties`, cut until they fit: the exporter's own, and all others."""
        attributes = {**source.extras, **source.attributes} if source.extras else source.attributes
        hidden = self._fields.get(identified_by, "")
        personless = not (identified_by and self._person_profiles)
        own, names, special = self.encoder.encode(attributes)
        added: dict[str, Any] = {}
        if self._adds_ids or special or inherited.special:
            added = self._added(source, inherited, {key: attributes[key] for key in special})
        if (
            personless
            and (added or self._person_profiles)  # otherwise no attribute can have such a name
            and not (PERSON_KEYS.isdisjoint(names) and PERSON_KEYS.isdisjoint(added))
        ):
            changes["person_properties"] += 1
            added = {name: value for name, value in added.items() if name not in PERSON_KEYS}
            name_of = self.encoder.name_of
            attributes = {key: value for key, value in attributes.items() if name_of(key) not in PERSON_KEYS}
            own, names, _ = self.encoder.encode(attributes)
        if exception:
            added |= exception
        for limit in _LIMITS:
            if limit != UNLIMITED:
                added[_CUT] = True
                own, names, _ = joined(self.encoder.encode_each(attributes, limit=limit))
                inherited = self.inherited(inherited.resource, inherited.scope, limit=limit)
                if exception:
                    added |= cut_exceptions(exception, limit)
            if added:
                more = {name: value for name, value in added.items() if name not in names}
                own += "".join(
                    f"{encode(name)}:{to_json(value, limit=limit)}," for name, value in more.items()
                )
                names = names.union(more)
            is_small = limit == UNLIMITED and len(names) <= MAX_KEYS and inherited.size <= _MAX_SHARED
            shared_members = self._cached_shared_members if is_small else self._shared_members
            constants, shared = shared_members(inherited, names, hidden, personless)
            properties = shared + own
            if len(properties) <= _SURELY_FITS or fits(properties):
                if limit != UNLIMITED:
                    changes["cut"] += 1
                return constants, properties
        raise NotAnEvent("too_large")

    def _shared_members(
        self,
        inherited: Inherited,
        names: frozenset[str],
        hidden: str,
        personless: bool,  # noqa: FBT001  # part of the cache key
    ) -> tuple[str, str]:
        """Return the exporter's own and the inherited members of `properties`.

        Leave out the members that the record overrides (`names`), the member that became the `distinct_id`
        (`hidden`), and person properties if the event creates no person.
        """
        members = inherited.members
        taken = names.union(members)
        own = [text for name, text in self._constants[personless].items() if name not in taken]
        unwanted = names.union({hidden}, PERSON_KEYS if personless else ())
        shared = [text for name, text in members.items() if name not in unwanted]
        return "".join(own), "".join(shared)

    def _added(self, source: Source, inherited: Inherited, special: dict[str, Any]) -> dict[str, Any]:
        """Return the properties made from special attributes, groups and trace ids."""
        groups = self._options.group_attributes
        added = properties_of({**inherited.special, **special}, source.attributes, inherited.values, groups)
        if self._options.redact:  # groups are ids, which are sent unchanged
            added |= {name: clean_urls(clean(added[name])) for name in added.keys() - {"$groups"}}
        if self._options.trace_context and source.trace_id:
            added |= {"$trace_id": f"{source.trace_id:032x}", "$span_id": f"{source.span_id:016x}"}
        return added


def _constants_of(options: MappingOptions, *, personless: bool) -> dict[str, str]:
    """Return the exporter's own members of `properties`, for events with a person or `personless` ones."""
    constants: dict[str, object] = {"$lib": "opentelemetry-exporter-posthog", "$lib_version": __version__}
    if personless:
        constants["$process_person_profile"] = False
    if not options.geoip:
        constants["$geoip_disable"] = True
    if not options.ip:
        constants["$ip"] = "0.0.0.0"  # noqa: S104  # PostHog stores the sender's if this is empty
    return {name: f"{encode(name)}:{to_json(value)}," for name, value in constants.items()}

"""One event from its source: identity, properties, size."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.exporter.posthog._identity import (
    Ordinals,
    derived_uuid,
    distinct_id_of,
    is_uuid,
    timestamp_of,
    uuid_of,
)
from opentelemetry.exporter.posthog._json import MAX_NAME_BYTES, UNLIMITED, clean_name, encode, to_json
from opentelemetry.exporter.posthog._members import Block, MemberEncoder, joined
from opentelemetry.exporter.posthog._version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from opentelemetry.exporter.posthog._options import MappingOptions
    from opentelemetry.exporter.posthog._sources import Source

MAX_EVENT_BYTES: Final = 900 * 1024
_MAX_ENVELOPE_BYTES: Final = 990_000
"""PostHog keeps an event as a JSON string inside JSON, in 1 000 000 bytes: quotes and backslashes double."""
_SURELY_FITS: Final = 100 * 1024
_HEAD_BYTES: Final = 4 * 1024
"""More than name, id, uuid and timestamp take."""
_CUTS: Final = (UNLIMITED, 65_536, 8_192, 1_024, 128)
"""The limits tried, one after the other, on the values of an event that is too big."""
_CACHED: Final = 1024
_UID: Final = "log.record.uid"


class NotAnEvent(Exception):  # noqa: N818  # nothing failed: the record is no event
    """The record cannot become an event.

    Attributes:
        reason: why, as it is counted.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Inherited(NamedTuple):
    """What all records of one resource and scope share."""

    resource: Resource | None
    scope: InstrumentationScope | None
    values: dict[Any, Any]
    """The attributes."""
    block: Block
    """The properties that they make."""
    constants: Block
    """What every event says beside them."""


class EventBuilder:
    """Builds events. Thread-safe.

    Args:
        options: how.
    """

    def __init__(self, options: MappingOptions) -> None:
        self._event_names = dict(options.event_names)
        self._encoder = MemberEncoder(options.property_names)
        self._distinct_id_attributes = tuple(options.distinct_id_attributes)
        self._fallback_distinct_id = encode(options.fallback_distinct_id)
        self._fields = {
            key: self._encoder.name_of(key)
            for key in {*self._distinct_id_attributes, _UID} - set(options.property_names)
        }
        """Attributes that are no properties once they are fields of the event, by their would-be names."""
        self._constants = Block(
            {name: f"{encode(name)}:{to_json(value)}," for name, value in _constants_of(options).items()}
        )
        self._encode_short_name = lru_cache(_CACHED)(self._encode_name)
        self._ordinals = Ordinals()

    def inherited(
        self, resource: Resource | None, scope: InstrumentationScope | None, *, most: int = UNLIMITED
    ) -> Inherited:
        """Encode what the records of `resource` and `scope` have in common."""
        values: dict[Any, Any] = dict(resource.attributes) if resource else {}
        if scope:
            values["otel.scope.name"] = scope.name
            if scope.version:
                values["otel.scope.version"] = scope.version
            values.update(scope.attributes or {})
        members = self._encoder.encode_each(values, most=most)
        constants = self._constants
        for name in members:
            constants = constants.without(name)
        return Inherited(resource, scope, values, Block(members), constants)

    def build(self, source: Source, inherited: Inherited) -> bytes:
        """Return the event of `source` as JSON.

        Args:
            source: the record; its attributes may be changed.
            inherited: of the record's resource and scope.

        Raises:
            NotAnEvent: there is no event in it.
        """
        attributes = source.attributes
        name = self._name_of(source.name)
        distinct_id, identified_by = self._distinct_id(attributes, inherited.values)
        hidden = self._fields.get(identified_by, "")
        if hidden:
            attributes.pop(identified_by, None)
        uid = attributes.get(_UID)
        if isinstance(uid, str) and is_uuid(uid) and _UID in self._fields:
            del attributes[_UID]
        timestamp = timestamp_of(source.times)
        when = f',"timestamp":"{timestamp}"' if timestamp else ""
        constants, properties = self._properties(source, inherited, hidden)
        if uid is not None and uid != "":
            uuid = uuid_of(uid if isinstance(uid, str) else to_json(uid))
        elif source.is_unique:
            uuid = derived_uuid(source.origin)
        else:
            who = distinct_id if identified_by else ""
            content = f"{name}{who}{when}{source.origin}{properties}"
            uuid = self._ordinals.uuid_of(source.record, derived_uuid(content))
        event = (
            f'{{"event":{name},"distinct_id":{distinct_id},"uuid":"{uuid}"{when},'
            f'"properties":{{{constants}{properties}'
        )
        return f"{event[:-1]}}}}}".encode()

    def _name_of(self, name: object) -> str:
        """Return the event's name as JSON.

        Raises:
            NotAnEvent: it has none, or one that is PostHog's own.
        """
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
        return encode(cleaned)

    def _distinct_id(self, attributes: dict[Any, Any], inherited: dict[Any, Any]) -> tuple[str, str]:
        """Return whose event it is, as JSON, and the attribute that says so (empty: none does)."""
        for values in (attributes, inherited):
            for key in self._distinct_id_attributes:
                value = values.get(key)
                if value is not None and (distinct_id := _encode_distinct_id(value)):
                    return distinct_id, key
        return self._fallback_distinct_id, ""

    def _properties(self, source: Source, inherited: Inherited, hidden: str) -> tuple[str, str]:
        """Encode the members of `properties`: the exporter's own, and the record's, cut until they fit.

        What is inherited as `hidden` is not among them.

        Raises:
            NotAnEvent: they fit in no way.
        """
        attributes = {**source.extras, **source.attributes} if source.extras else source.attributes
        for most in _CUTS:
            if most == UNLIMITED:
                own, names = self._encoder.encode(attributes)
            else:
                own, names = joined(self._encoder.encode_each(attributes, most=most))
                inherited = self.inherited(source.resource, source.scope, most=most)
            properties = inherited.block.without(hidden).beside(names) + own
            if len(properties) <= _SURELY_FITS or _fits(properties):
                return inherited.constants.beside(names), properties
        raise NotAnEvent("too_large")


def _encode_distinct_id(value: object) -> str:
    """Return `value` as a distinct id in JSON, empty where it is none."""
    if type(value) is str and len(value) <= MAX_NAME_BYTES:
        return _encode_short_id(value)
    distinct_id = distinct_id_of(value)
    return encode(distinct_id) if distinct_id else ""


@lru_cache(_CACHED)
def _encode_short_id(value: str) -> str:
    distinct_id = distinct_id_of(value)
    return encode(distinct_id) if distinct_id else ""


def _fits(properties: str) -> bool:
    size = len(properties.encode()) + _HEAD_BYTES
    escapes = properties.count('"') + properties.count("\\")
    return size <= MAX_EVENT_BYTES and size + escapes <= _MAX_ENVELOPE_BYTES


def _constants_of(options: MappingOptions) -> dict[str, object]:
    constants: dict[str, object] = {"$lib": "opentelemetry-exporter-posthog", "$lib_version": __version__}
    if not options.person_profiles:
        constants["$process_person_profile"] = False
    if not options.geoip:
        constants["$geoip_disable"] = True
    if not options.ip:
        constants["$ip"] = "0.0.0.0"  # noqa: S104  # PostHog stores the sender's where this is empty
    return constants

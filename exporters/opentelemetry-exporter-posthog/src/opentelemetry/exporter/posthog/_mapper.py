# SPDX-License-Identifier: Apache-2.0
"""Map many records: encode shared attributes once, and let no bad record affect the others."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from opentelemetry.exporter.posthog._build import EventBuilder, NotAnEvent
from opentelemetry.exporter.posthog._check import check_event
from opentelemetry.exporter.posthog._exceptions import Seen, exceptions_of, is_only_an_exception
from opentelemetry.exporter.posthog._identity import distinct_id_of, timestamp_of
from opentelemetry.exporter.posthog._json import clean, clean_name, encode, fits
from opentelemetry.exporter.posthog._sources import READERS
from opentelemetry.exporter.posthog._warnings import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from opentelemetry.exporter.posthog._build import Inherited
    from opentelemetry.exporter.posthog._settings import MappingOptions
    from opentelemetry.exporter.posthog._sources import Source

_Record = TypeVar("_Record")
_Answer = TypeVar("_Answer")
_MAX_KNOWN: Final = 1024
"""Pairs of resource and scope to cache; OTel's `logging` handler creates a scope for each logger."""
_MAX_KNOWN_SIZE: Final = 4 * 1024 * 1024
"""Characters that all of them may have together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The result of mapping records."""

    events: Sequence[bytes]
    """JSON objects in UTF-8, in the order of the records."""
    dropped: Mapping[str, int]
    """The number of records that became no event, by reason."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """The number of events that lack data of their record, by change: `cut`, `person_properties`."""


class Mapper(Generic[_Record]):
    """Maps records of one signal, and caches encoded parts. Thread-safe.

    Args:
        options: how records become events.
        signal: `log` or `span`.
        keep: returns True for a record that should become an event; an exception drops the record.
        seen: the exceptions that were already sent.
    """

    def __init__(
        self,
        options: MappingOptions,
        signal: str,
        *,
        keep: Callable[[_Record], object] | None = None,
        seen: Seen | None = None,
    ) -> None:
        self._builder = EventBuilder(options)
        self._known: dict[tuple[int, int], Inherited] = {}
        self._known_size = 0
        self._source_of = READERS[signal]
        self._options = options
        self._keep = keep
        self._seen = seen or Seen()
        self._signal = signal
        self._is_wanted = re.compile("|".join(map(translate, options.events))).match
        self._event = self._checked if options.events or options.before_send else self._builder.build

    def map(self, records: Iterable[_Record], added: list[Any] | None = None) -> Mapped:
        """Map `records`. A record that cannot become an event is counted, and raises nothing.

        Args:
            records: of one export.
            added: gets the keys of exceptions that are sent for the first time, for `Seen.forget`.
        """
        added = [] if added is None else added
        events: list[bytes] = []
        dropped: Counter[str] = Counter()
        changed: Counter[str] = Counter()
        keep, source_of, options, event_of = self._keep, self._source_of, self._options, self._event
        exceptions = options.exceptions
        inherited: Inherited | None = None
        record: Any
        for record in records:
            try:
                if keep is not None and not _call(keep, record, "filter_failed"):
                    raise NotAnEvent("filtered")  # noqa: TRY301  # handled below, as all reasons
                source = source_of(record, options)
                resource, scope = record.resource, record.instrumentation_scope
                if inherited is None or inherited.resource is not resource or inherited.scope is not scope:
                    inherited = self._inherited(resource, scope)
                if exceptions:
                    self._add_with_exceptions(source, inherited, events, changed, added)
                else:
                    events.append(event_of(source, inherited, changed))
            except NotAnEvent as no:  # noqa: PERF203  # one bad record must not affect the others
                dropped[str(no)] += 1
            except Exception:  # noqa: BLE001  # a record whose fields have wrong types
                dropped["unmappable"] += 1
        for reason, argument in (("filter_failed", "filter"), ("before_send_failed", "before_send")):
            if not events and dropped.keys() == {reason}:
                warn_once(
                    f"The PostHog exporter's {argument!r} raised for each record of a batch, so none of them was sent: "
                    f"correct the callable (the argument {argument!r}). Such records are counted as {reason!r}."
                )
        self._builder.encoder.review(len(events))
        return Mapped(events=events, dropped=dropped, changed=changed)

    def _inherited(self, resource: Resource | None, scope: InstrumentationScope | None) -> Inherited:
        """Return the encoded attributes of `resource` and `scope`, from the cache if they were encoded before.

        The cache relies on resources being immutable: it ignores later changes to a resource object.
        """
        key = id(resource), id(scope)  # the entry keeps both alive, so no other object gets their ids
        inherited = self._known.get(key)
        if inherited is None:
            inherited = self._builder.inherited(resource, scope)
            if len(self._known) >= _MAX_KNOWN or self._known_size + inherited.size > _MAX_KNOWN_SIZE:
                self._known.clear()
                self._known_size = 0
                self._builder.forget()
            self._known[key] = inherited
            self._known_size += inherited.size
        return inherited

    def _checked(
        self,
        source: Source,
        inherited: Inherited,
        changed: Counter[str],
        exception: dict[str, Any] | None = None,
    ) -> bytes:
        """Return the event of `source`, changed by `before_send`, if its name matches the `events` patterns."""
        name = source.name
        if not exception and name and isinstance(name, str) and not self._is_wanted(name):
            raise NotAnEvent("filtered")
        event = self._builder.build(source, inherited, changed, exception)
        before_send = self._options.before_send
        return event if before_send is None else _apply_before_send(before_send, event)

    def _add_with_exceptions(
        self,
        source: Source,
        inherited: Inherited,
        events: list[bytes],
        changed: Counter[str],
        added: list[Any],
    ) -> None:
        """Add the event of a record, if it makes one, and an event for each of its exceptions."""
        before = len(events)
        no = NotAnEvent("duplicate_exception")
        exceptions = exceptions_of(source, self._signal)
        makers: list[tuple[Source, dict[str, Any] | None]] = [*exceptions]
        if not (exceptions and self._signal == "log" and is_only_an_exception(source)):
            makers.insert(0, (source, None))
        for own, properties in makers:
            known = len(added)
            if properties and self._seen.was_sent_by_other_signal((own, properties), self._signal, added):
                continue
            try:
                events.append(self._event(own, inherited, changed, properties))
            except NotAnEvent as error:  # the other events of the record are still sent
                no = error
                if str(no) != "before_send":  # which has dropped it on purpose, for both signals
                    self._seen.forget(added[known:])
        if len(events) == before:
            raise no


def _call(function: Callable[[Any], _Answer], value: object, reason: str) -> _Answer:
    """Call the application's `function` with `value`; raise NotAnEvent with `reason` if it raises."""
    try:
        return function(value)
    except Exception as error:
        raise NotAnEvent(reason) from error


def _apply_before_send(before_send: Callable[[dict[str, Any]], dict[str, Any] | None], event: bytes) -> bytes:
    """Return `event` as changed by `before_send`; raise NotAnEvent if it drops the event or PostHog would reject it."""
    changed = _call(before_send, json.loads(event), "before_send_failed")
    if changed is None:
        raise NotAnEvent("before_send")
    try:
        return _validated(changed)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise NotAnEvent("invalid") from error


def _validated(event: object) -> bytes:
    """Return `event` as JSON that PostHog accepts; raise ValueError, or another error for a wrong structure."""
    cleaned: Any = clean(event)
    valid = {
        "event": clean_name(cleaned["event"]),
        "distinct_id": distinct_id_of(cleaned["distinct_id"]),
        "uuid": cleaned["uuid"],
    }
    if "timestamp" in cleaned:
        valid["timestamp"] = timestamp_of([cleaned["timestamp"]])
    properties = cleaned.get("properties", {})
    valid["properties"] = {clean_name(name): value for name, value in properties.items() if name}
    text = encode(valid)
    if not valid["uuid"] or not fits(text) or any(check_event(valid)):
        raise ValueError("PostHog would not take it")
    return text.encode()

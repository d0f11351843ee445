"""Many records at once: what they share is encoded once, and none costs another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar

from opentelemetry.exporter.posthog import _exceptions
from opentelemetry.exporter.posthog._before_send import through
from opentelemetry.exporter.posthog._build import EventBuilder, Inherited, NotAnEvent
from opentelemetry.exporter.posthog._notice import warn_once
from opentelemetry.exporter.posthog._sources import READERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from opentelemetry.exporter.posthog._options import MappingOptions
    from opentelemetry.exporter.posthog._sources import Source

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What became of some records."""

    events: Sequence[bytes]
    """One JSON object each, in UTF-8, in the records' order."""
    dropped: Mapping[str, int]
    """Records that became no event, by reason."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """Events that lack something of their record, by what was done: `cut`, `person_properties`."""


class Mapper(Generic[_Record]):
    """Maps records of one kind, and remembers what it encoded. Thread-safe.

    Args:
        options: how.
        signal: `log` or `span`.
        keep: which records become events; what raises is kept out.
        seen: the exceptions that were sent; None sends each.
    """

    def __init__(
        self,
        options: MappingOptions,
        signal: str,
        *,
        keep: Callable[[_Record], object] | None = None,
        seen: _exceptions.Seen | None = None,
    ) -> None:
        self._builder = EventBuilder(options)
        self._source_of = READERS[signal]
        self._options = options
        self._keep = keep
        self._seen = seen
        self._signal = signal
        self._is_wanted = lru_cache(1024)(self._matches)

    def map(self, records: Iterable[_Record]) -> Mapped:
        """Map `records`. Never raises for one of them: what cannot become an event is counted."""
        events: list[bytes] = []
        dropped: Counter[str] = Counter()
        changed: Counter[str] = Counter()
        shared = _Shared(self._builder)
        count = 0
        keep, source_of, options, build = self._keep, self._source_of, self._options, self._builder.build
        is_plain = not (options.exceptions or options.events or options.before_send)
        for record in records:
            count += 1
            try:
                if keep is not None:
                    _ask(keep, record)
                source = source_of(record, options)
                if is_plain:
                    events.append(build(source, shared.of(source), changed))
                elif options.exceptions:
                    self._with_exceptions(source, shared.of(source), events, changed)
                else:
                    self._add(source, shared.of(source), events, changed)
            except NotAnEvent as no:  # one bad record must not cost its neighbours
                dropped[no.reason] += 1
            except Exception:  # noqa: BLE001  # a record that lies about its types
                dropped["unmappable"] += 1
        for reason, argument in (("filter_failed", "filter"), ("before_send_failed", "before_send")):
            if count and dropped[reason] == count:
                warn_once(
                    f"The PostHog exporter's {argument!r} raised for each record of a batch, so none of them was sent: "
                    f"correct the callable (the argument {argument!r}). Such records are counted as {reason!r}."
                )
        return Mapped(events=events, dropped=+dropped, changed=changed)

    def _add(
        self,
        source: Source,
        inherited: Inherited,
        events: list[bytes],
        changed: Counter[str],
        exception: dict[str, Any] | None = None,
    ) -> None:
        if not exception and self._options.events and not self._is_wanted(source.name):
            raise NotAnEvent("filtered")
        event = self._builder.build(source, inherited, changed, exception)
        if self._options.before_send is not None:
            event = through(self._options.before_send, event)
        events.append(event)

    def _with_exceptions(
        self, source: Source, inherited: Inherited, events: list[bytes], changed: Counter[str]
    ) -> None:
        """Add the event of a record, if it makes one, and one for each of its exceptions."""
        exceptions = list(self._exceptions_of(source))
        is_event = not (exceptions and self._signal == "log" and _exceptions.is_nothing_else(source))
        no: NotAnEvent | None = None
        before = len(events)
        try:
            if is_event:
                self._add(source, inherited, events, changed)
        except NotAnEvent as error:
            no = error
        for one, properties in exceptions:
            key = _exceptions.identity(one, properties)
            if self._seen is not None and key is not None and self._seen.is_of_other(key, self._signal):
                no = no or (None if is_event else NotAnEvent("duplicate_exception"))
                continue
            self._add(one, inherited, events, changed, properties)
        if no is not None and len(events) == before:
            raise no

    def _exceptions_of(self, source: Source) -> Iterator[tuple[Source, dict[str, Any]]]:
        if self._signal == "span":
            yield from _exceptions.of_span(source)
        elif _exceptions.is_exception(source):
            yield _exceptions.of_record(source, source.record.log_record.severity_number)

    def _matches(self, name: object) -> bool:
        return isinstance(name, str) and any(fnmatchcase(name, glob) for glob in self._options.events)


class _Shared:
    """What the records of one batch inherit, encoded once for each resource and scope."""

    __slots__ = ("_builder", "_known", "_last")

    def __init__(self, builder: EventBuilder) -> None:
        self._builder = builder
        self._known: dict[tuple[int, int], Inherited] = {}
        self._last: Inherited | None = None

    def of(self, source: Source) -> Inherited:
        """Return what the record of `source` inherits, mostly the same as the record before."""
        resource, scope = source.record.resource, source.record.instrumentation_scope
        last = self._last
        if last is not None and last.resource is resource and last.scope is scope:
            return last
        key = id(resource), id(scope)  # the entry keeps both alive, so the ids stay theirs
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._builder.inherited(resource, scope)
        self._last = found
        return found


def _ask(keep: Callable[[_Record], object], record: _Record) -> None:
    """Ask the caller's filter.

    Raises:
        NotAnEvent: it says no, or fails.
    """
    try:
        wanted = keep(record)
    except Exception as error:
        raise NotAnEvent("filter_failed") from error
    if not wanted:
        raise NotAnEvent("filtered")

"""Many records at once: what they share is encoded once, and none costs another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from opentelemetry.exporter.posthog._build import EventBuilder, Inherited, NotAnEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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


class Mapper(Generic[_Record]):
    """Maps records of one kind, and remembers what it encoded. Thread-safe.

    Args:
        options: how.
        source_of: reads one record.
        keep: which records become events; what raises is kept out.
    """

    def __init__(
        self,
        options: MappingOptions,
        source_of: Callable[..., Source],
        *,
        keep: Callable[[_Record], bool] | None = None,
    ) -> None:
        self._builder = EventBuilder(options)
        self._source_of = source_of
        self._trace_context = options.trace_context
        self._keep = keep

    def map(self, records: Iterable[_Record]) -> Mapped:
        """Map `records`. Never raises for one of them: what cannot become an event is counted."""
        events: list[bytes] = []
        dropped: Counter[str] = Counter()
        shared = _Shared(self._builder)
        for record in records:
            try:
                if self._keep is not None:
                    _ask(self._keep, record)
                source = self._source_of(record, trace_context=self._trace_context)
                events.append(self._builder.build(source, shared.of(source)))
            except NotAnEvent as no:  # noqa: PERF203  # one bad record must not cost its neighbours
                dropped[no.reason] += 1
            except Exception:  # noqa: BLE001  # a record that lies about its types
                dropped["unmappable"] += 1
        return Mapped(events=events, dropped=dropped)


class _Shared:
    """What the records of one batch inherit, encoded once for each resource and scope."""

    __slots__ = ("_builder", "_known", "_last")

    def __init__(self, builder: EventBuilder) -> None:
        self._builder = builder
        self._known: dict[tuple[int, int], Inherited] = {}
        self._last: Inherited | None = None

    def of(self, source: Source) -> Inherited:
        """Return what the record of `source` inherits, mostly the same as the record before."""
        last = self._last
        if last is not None and last.resource is source.resource and last.scope is source.scope:
            return last
        key = id(source.resource), id(source.scope)  # the entry keeps both alive, so the ids stay theirs
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._builder.inherited(source.resource, source.scope)
        self._last = found
        return found


def _ask(keep: Callable[[_Record], bool], record: _Record) -> None:
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

# SPDX-License-Identifier: Apache-2.0
"""The common base of the log and the span exporter, which import only their own part of the SDK."""

from __future__ import annotations

import os
import threading
import time
import traceback
import weakref
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value

from opentelemetry.exporter.posthog import _exceptions
from opentelemetry.exporter.posthog._filters import filter_of, local_roots
from opentelemetry.exporter.posthog._identity import process_distinct_id
from opentelemetry.exporter.posthog._mapper import Mapper
from opentelemetry.exporter.posthog._settings import config, flag, mapping_options, warn_of_unknown
from opentelemetry.exporter.posthog._stats import ExporterStats, Outcome, Tally, metrics_for
from opentelemetry.exporter.posthog._warnings import debug, warn_if_all_dropped, warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import requests
    from opentelemetry.metrics import MeterProvider

    from opentelemetry.exporter.posthog._sender import Sender

Record = TypeVar("Record")


class PostHogExporter(Generic[Record]):
    """The log exporter and the span exporter have the same arguments and the same behaviour.

    The exporter never raises into the application. If an argument is invalid, it logs one warning and uses the
    default; if `api_key`, `host`, `filter` or `before_send` is invalid, it sends nothing. If an argument is None, it
    reads the environment variable (`OTEL_EXPORTER_POSTHOG_...`, see `environment_variables`) or uses the default.
    The exporter starts no thread and uses the network only in `export`. It is thread-safe, and both the parent and
    the child of a fork can use it.

    Args:
        api_key: project API key (`phc_...`); variables `OTEL_EXPORTER_POSTHOG_API_KEY`, then `POSTHOG_API_KEY`.
            Without a key, the exporter logs one warning and drops every record.
        host: PostHog's URL; variables `OTEL_EXPORTER_POSTHOG_HOST`, then `POSTHOG_HOST`. Default: PostHog Cloud US.
        timeout: seconds that one export may take, including all attempts and waits. Default: 10.
        session: `requests.Session` to send with; its proxies, adapters and credentials apply, and the caller
            closes it. Default: the exporter's own session, without credentials, cookies and redirects.
        event_names: PostHog's event name for each OTel event or span name that should change.
        property_names: property name for each attribute key that should change; an empty name leaves the
            attribute out. Keys that begin with `$` become properties only if this mapping contains them.
        distinct_id_attributes: attributes that may hold the `distinct_id`, in order of preference. The first id that
            PostHog accepts counts, from the record, else the span that was current, else the resource. If there
            is none, the exporter derives an id from the session, the trace or the process, and the event creates
            no person. Default: `posthog.distinct_id`, `user.id`, `app.installation.id`.
        baggage_keys: baggage that may hold the `distinct_id`, if neither record nor span does. Default: none,
            because a caller can forge baggage.
        group_attributes: for each PostHog group type, the attribute that holds the group.
        person_profiles: let PostHog keep a person profile for each `distinct_id`. Default: False.
        geoip: let PostHog look up the location of the sender's IP address. Default: False.
        ip: let PostHog store the sender's IP address. Default: False.
        trace_context: send trace ids and span ids. Default: False.
        conventions: turn `session.id` and `posthog.*` attributes into sessions, groups and person properties.
            False also switches off `group_attributes`, `$trace_id` and `$span_id`. Default: True.
        exceptions: send exceptions to error tracking, with messages and stack traces. Default: False.
        redact: leave out or clean attributes that often contain secrets or identify the caller. Default: True.
        events: glob patterns such as `order.*`; a record whose name matches none becomes no event. Default: all.
        filter: callable that receives a record and returns True to export it (an exception drops the record), or
            `all`, `local_roots`, `ai_spans` or `not_ai_spans` (log records: only `all`). Default: `local_roots`
            for spans, `all` for log records. A log record without an event name never becomes an event by itself.
        before_send: callable that receives each event as a dict and returns it, maybe changed, or None to drop it.
        retry: retry temporary failures within the timeout. False is for pipelines that retry themselves: each
            export is then one attempt, and FAILURE means that the batch could succeed later. Default: True.
        meter_provider: records the exporter's own metrics (`otel.sdk.exporter.*`) if
            `OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED` is `true`. Default: the global meter provider.
        **unknown: settings that this release does not have. The exporter ignores them, with one warning for each.
    """

    retry_after: float | None
    """Seconds that the server asked to wait at the last FAILURE; None if it asked for none, or after SUCCESS."""
    failure: str
    """Reason of the last export's FAILURE, in a few words (`HTTP 503`, `ConnectTimeout`); empty after SUCCESS."""
    refusal: str
    """Why PostHog permanently refused the last export, or a part of it (`HTTP 401`); empty if it did not."""
    _signal: str
    _has_kept: bool
    _sender: Sender | None

    def __init__(  # noqa: PLR0913  # keyword-only, each with a default
        self,
        *,
        api_key: str | None = None,
        host: str | None = None,
        timeout: float | None = None,
        session: requests.Session | None = None,
        event_names: Mapping[str, str] | None = None,
        property_names: Mapping[str, str] | None = None,
        distinct_id_attributes: Sequence[str] | None = None,
        baggage_keys: Sequence[str] | None = None,
        group_attributes: Mapping[str, str] | None = None,
        person_profiles: bool | None = None,
        geoip: bool | None = None,
        ip: bool | None = None,
        trace_context: bool | None = None,
        conventions: bool | None = None,
        exceptions: bool | None = None,
        redact: bool | None = None,
        events: Sequence[str] | None = None,
        filter: Callable[[Record], object] | str | None = None,  # noqa: A002  # the argument's public name
        before_send: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None,
        retry: bool | None = None,
        meter_provider: MeterProvider | None = None,
        **unknown: object,
    ) -> None:
        given = dict(locals())
        self._config = config(api_key=api_key, host=host, timeout=timeout)
        self._session = session
        self._retry = flag("retry", retry, default=True)
        self._meter_provider = meter_provider
        self._keep = filter_of(filter, self._signal)
        self._options = mapping_options(given)
        warn_of_unknown(unknown)
        self._begin()
        exporters.add(self)
        # Import now, not at the first export: a child that is forked during these imports would hang at its own.
        self.warm_up()

    def shutdown(self) -> None:
        """End all waits and send nothing more. A request in progress ends within its timeout. Idempotent."""
        self._stopped.set()
        sender = self._sender
        if sender is not None:
            sender.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # as inherited
        """Return True: the exporter keeps no records between exports."""
        return True

    def warm_up(self) -> None:
        """Import `posthog` and `requests` (about 0.2 s) and create the session, without using the network.

        The constructor calls this. Call it in a forked child to create the child's session before its first export.
        Never raises. Does nothing if the exporter has no key or is shut down.
        """
        if self._config.api_key and not self._stopped.is_set():
            with suppress(Exception):  # the first export fails for the same reason, and warns
                self._get_sender()

    @property
    def stats(self) -> ExporterStats:
        """The counts of exported, failed and dropped records in this process, up to now."""
        return self._tally.snapshot()

    def _export(self, records: Sequence[Record]) -> bool:
        """Send `records`; return False if they could succeed later. Never raises."""
        outcome = Outcome()
        began = time.monotonic()
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        if self._metrics:
            self._metrics.begin(len(records))
        try:
            return self._send(records, outcome)
        except Exception as error:  # noqa: BLE001  # nothing may raise into the application
            outcome.failure = type(error).__name__
            with suppress(Exception):
                # As text: an exception in a log record could become an event and fail again.
                debug("the export to PostHog failed: %s", traceback.format_exc())
            if self._retry:
                warn_once(
                    f"Events are lost: an export to PostHog failed ({outcome.failure}). Remedy: this logger says "
                    "more at DEBUG.",
                    cause="export failed",
                )
            return False
        finally:
            detach(token)
            self._tally.add(outcome)
            self.retry_after = outcome.retry_after
            self.failure, self.refusal = outcome.failure, outcome.refusal
            if self._metrics:
                self._metrics.end(len(records), time.monotonic() - began, outcome)

    def _send(self, records: Sequence[Record], outcome: Outcome) -> bool:
        """Map and send `records`, and count each of them in `outcome`, even if this raises."""
        if self._config.api_key is None:
            outcome.dropped["unconfigured"] = len(records)
            return True
        if self._stopped.is_set():
            outcome.counts["failed"] = len(records)
            outcome.failure = "shut down"
            return False
        added: list[Any] = []
        mapped = self._mapper.map(records, added)
        self._has_kept = self._has_kept or bool(mapped.events)
        if not self._has_kept:
            dropped = dict(self.stats.dropped)
            if self._keep is local_roots:  # a root ends after its children, so it may still come
                dropped.pop("filtered", None)
            warn_if_all_dropped(dropped)
        done = False
        began = time.monotonic()
        try:
            done = not mapped.events or self._get_sender().send(mapped.events, outcome)
        finally:
            if done:
                outcome.dropped.update(mapped.dropped)
                outcome.changed.update(mapped.changed)
            else:  # the caller keeps the records that PostHog neither accepted nor refused
                decided = outcome.counts["exported"] + outcome.dropped.total()
                outcome.counts["failed"] = len(mapped.events) + sum(mapped.dropped.values()) - decided
            if not done or not outcome.counts["exported"]:
                _exceptions.sent_by_this_process.forget(added)
        # Log no line without events: if logging leads to this exporter, each line would cause the next export.
        if mapped.events:
            result = "done" if done else f"failed: {outcome.failure}"
            debug("export of %d records in %.3f s: %s", len(records), time.monotonic() - began, result)
        return done

    def _get_sender(self) -> Sender:
        """Return the sender; build it, and import `posthog` and `requests`, at the first call."""
        with self._building:
            if self._sender is None:
                from opentelemetry.exporter.posthog._sender import Sender  # noqa: PLC0415

                self._sender = Sender(
                    config=self._config, session=self._session, retry=self._retry, stopped=self._stopped
                )
            return self._sender

    def _begin(self) -> None:
        """Initialise the state that processes do not share."""
        self.retry_after, self.failure, self.refusal = None, "", ""
        self._metrics = metrics_for(self._signal, self._config.host, self._meter_provider)
        self._tally = Tally()
        self._stopped = threading.Event()
        self._building = threading.RLock()  # reentrant: a signal handler may emit too
        self._sender = None
        self._has_kept = False
        self._mapper: Mapper[Record] = Mapper(
            self._options, self._signal, keep=self._keep, seen=_exceptions.sent_by_this_process
        )

    def _begin_in_child(self) -> None:
        """Start without the parent's connections, locks, counts and derived `distinct_id`."""
        was_stopped = self._stopped.is_set()
        self._options = replace(self._options, fallback_distinct_id=process_distinct_id())
        self._begin()
        if was_stopped:
            self._stopped.set()
        if self._session is not None:
            with suppress(Exception):
                self._session.close()  # drops the parent's connections; the session stays usable


exporters: Final[weakref.WeakSet[PostHogExporter[Any]]] = weakref.WeakSet()


def _begin_in_child() -> None:
    """Reset all exporters in a forked child, and the lock that another thread may have held."""
    _exceptions.sent_by_this_process = _exceptions.Seen()
    for exporter in list(exporters):
        exporter._begin_in_child()  # noqa: SLF001  # the same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)

# SPDX-License-Identifier: Apache-2.0
"""What the exporters of both signals have in common: neither imports the other's part of the SDK."""

from __future__ import annotations

import os
import threading
import time
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
from opentelemetry.exporter.posthog._warnings import debug, debug_failure, warn_of_strictness, warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import requests
    from opentelemetry.metrics import MeterProvider

    from opentelemetry.exporter.posthog._sender import Sender

Record = TypeVar("Record")


class PostHogExporter(Generic[Record]):
    """The arguments and the behaviour of both exporters.

    Nothing raises, also where something is misconfigured or has a wrong type: one warning is logged, and the
    safe default is used, or nothing is sent. Thread-safe, and usable on both sides of a fork. No thread, and no
    network outside `export`. An argument that is None comes from its variable (`OTEL_EXPORTER_POSTHOG_...`, see
    `environment_variables`), else it is the default.

    Args:
        api_key: the project's (`phc_...`); else `OTEL_EXPORTER_POSTHOG_API_KEY`, else `POSTHOG_API_KEY`.
        host: the PostHog instance as a URL; else `OTEL_EXPORTER_POSTHOG_HOST`, else `POSTHOG_HOST`, else
            PostHog Cloud US.
        timeout: seconds that one export may take in all; else `OTEL_EXPORTER_POSTHOG_TIMEOUT`, else 10.
        session: what requests are sent through, with its own proxies, adapters and credentials; it stays the
            caller's, and open. By default one of our own, without credentials, cookies and redirects.
        event_names: name of an OTel event or span to the name of the PostHog event, where they differ.
        property_names: attribute key to property name, where they differ; empty leaves the attribute out.
            Keys that begin with `$` are properties only where they are named here.
        distinct_id_attributes: where the `distinct_id` comes from: the first of these attributes that holds
            an id that PostHog accepts, of the record, of the span that was current, of the resource. Where none
            does, it is made from session, trace or process, and never makes a person.
        baggage_keys: baggage that may give the `distinct_id`, before the resource. None by default: a caller can
            forge it.
        group_attributes: PostHog group type to the attribute that holds the group.
        person_profiles: let PostHog keep a person for each `distinct_id`.
        geoip: let PostHog look up the place of the sender's address.
        ip: let PostHog keep the sender's address.
        trace_context: send trace and span ids.
        conventions: let `session.id` and `posthog.*` attributes mean what their names say. True by default.
        exceptions: send exceptions to error tracking, with messages and stack traces.
        redact: leave out or clean what often holds secrets or says who called. True by default.
        events: globs on names; a record that matches none becomes no event.
        filter: which records become events: a callable, or `all`, `local_roots`, `ai_spans`, `not_ai_spans` (for
            log records `all` only). A record that it raises for becomes none. By default all log records that have
            a name, and the local roots among spans.
        before_send: sees each finished event as a dictionary, and returns it, maybe changed, or None to drop it.
        retry: repeat within the timeout what could succeed. False for pipelines that do so themselves: one
            export is one attempt, and FAILURE means later.
        meter_provider: whose metrics the exporter's own are (`otel.sdk.exporter.*`), where
            `OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED` is `true`; else the global provider's.
        **unknown: settings of a configuration file that this release does not know; they are warned of.
    """

    retry_after: float | None
    """Seconds that the server asked to wait for at the last FAILURE, else None."""
    failure: str
    """Why the last export was a FAILURE, in a few words (`HTTP 503`, `ConnectTimeout`); empty where it was none."""
    refusal: str
    """Why PostHog refused the last export, or part of it, for good (`HTTP 401`); empty where it took it."""
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
        filter: Callable[[Record], object] | str | None = None,  # noqa: A002  # what it is
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
        # Not on the thread that exports first: a child that is forked meanwhile would hang in its own imports.
        self.warm_up()

    def shutdown(self) -> None:
        """End waits and send nothing more; a request under way ends within its timeout. Idempotent."""
        self._stopped.set()
        sender = self._sender
        if sender is not None:
            sender.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # nothing to wait for
        """Return True: nothing is kept between exports."""
        return True

    def warm_up(self) -> None:
        """Load what an export needs (`posthog`, `requests`: about 0.2 s); the network is not touched.

        The constructor has done it. In a forked child, it prepares the child's own session ahead of the first export.
        Never raises; does nothing where the exporter is inert or shut down.
        """
        if self._config.api_key and not self._stopped.is_set():
            try:
                self._get_sender()
            except Exception:  # noqa: BLE001  # at the border to the application
                debug_failure("the PostHog exporter could not be prepared")

    @property
    def stats(self) -> ExporterStats:
        """What became of the records so far, in this process."""
        return self._tally.snapshot()

    def _export(self, records: Sequence[Record]) -> bool:
        """Send `records`; return False where they could succeed later. Never raises."""
        outcome = Outcome()
        began = time.monotonic()
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        if self._metrics:
            self._metrics.begin(len(records))
        try:
            return self._send(records, outcome)
        except Exception as error:  # noqa: BLE001  # at the border to the application
            outcome.failure = type(error).__name__
            debug_failure("the export to PostHog failed")
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
        """Map and send `records`, and count each of them in `outcome`, also where this raises."""
        if self._config.api_key is None:
            outcome.dropped["unconfigured"] = len(records)
            return True
        if self._stopped.is_set():
            outcome.counts["failed"] = len(records)
            outcome.failure = "shut down"
            return False
        mapped = self._mapper.map(records)
        self._has_kept = self._has_kept or bool(mapped.events)
        if not self._has_kept:
            dropped = dict(self.stats.dropped)
            if self._keep is local_roots:  # a root ends after all that is within it, and may come later
                dropped.pop("filtered", None)
            warn_of_strictness(dropped)
        done = False
        began = time.monotonic()
        try:
            done = not mapped.events or self._get_sender().send(mapped.events, outcome)
        finally:
            if done:
                outcome.dropped.update(mapped.dropped)
                outcome.changed.update(mapped.changed)
            else:  # the caller has all back that PostHog neither took nor refused
                decided = outcome.counts["exported"] + outcome.dropped.total()
                outcome.counts["failed"] = len(mapped.events) + sum(mapped.dropped.values()) - decided
        # A line for an export of nothing would be a record of the next one, where logging leads here, for ever.
        if mapped.events:
            result = "done" if done else f"failed: {outcome.failure}"
            debug("export of %d records in %.3f s: %s", len(records), time.monotonic() - began, result)
        return done

    def _get_sender(self) -> Sender:
        """Return the sender, which is built, and `posthog` and `requests` loaded, when it is first needed."""
        with self._building:
            if self._sender is None:
                from opentelemetry.exporter.posthog._sender import Sender  # noqa: PLC0415

                self._sender = Sender(
                    config=self._config, session=self._session, retry=self._retry, stopped=self._stopped
                )
            return self._sender

    def _begin(self) -> None:
        """Set what belongs to this process alone."""
        self.retry_after, self.failure, self.refusal = None, "", ""
        self._metrics = metrics_for(self._signal, self._config.host, self._meter_provider)
        self._tally = Tally()
        self._stopped = threading.Event()
        self._building = threading.RLock()  # re-entrant: a signal handler may emit too
        self._sender = None
        self._has_kept = False
        self._mapper: Mapper[Record] = Mapper(
            self._options, self._signal, keep=self._keep, seen=_exceptions.sent_by_this_process
        )

    def _begin_in_child(self) -> None:
        """Share nothing with the parent process: no connection, lock, count or made-up id."""
        was_stopped = self._stopped.is_set()
        self._options = replace(self._options, fallback_distinct_id=process_distinct_id())
        self._begin()
        if was_stopped:
            self._stopped.set()
        if self._session is not None:
            with suppress(Exception):
                self._session.close()  # only its connections; it stays usable


exporters: Final[weakref.WeakSet[PostHogExporter[Any]]] = weakref.WeakSet()


def _begin_in_child() -> None:
    """Start anew after a fork."""
    for exporter in list(exporters):
        exporter._begin_in_child()  # noqa: SLF001  # the same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)

# SPDX-License-Identifier: Apache-2.0
"""Record events: observe a call, select its attributes, enqueue the event; build the pipeline for the first event."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mem0_telemetry import environment_variables as env
from mem0_telemetry.base.guard import guard
from mem0_telemetry.base.lock import ForkSafeLock
from mem0_telemetry.delivery import fork_gate
from mem0_telemetry.policy import identity, notice, registry, sampling, state_file
from mem0_telemetry.policy.registry import Event
from mem0_telemetry.usage import dry_run
from mem0_telemetry.usage.switches import Switches

if TYPE_CHECKING:  # it needs the OpenTelemetry SDK
    from mem0_telemetry.pipeline.pipeline import Pipeline

_PASSING = (RecursionError, MemoryError, KeyboardInterrupt)
"""Temporary failures. They do not show that the SDK cannot be loaded, so the next event tries again."""
_capturing = guard("capturing an event")


class Recorder:
    """Records the calls that the drop-in passes on, while its switches allow it. Thread-safe.

    Attributes:
        switches: asked before anything is read, selected or built.
        pipeline: receives the events; None before the first kept event.
    """

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.pipeline: Pipeline | None = None
        self._dropped_before: dict[str, int] = {}
        self._first_event_seen = False
        self._building = False
        # Re-entrant: a signal handler may record an event during the first event.
        self._lock = ForkSafeLock()

    def prepare(self) -> None:
        """Import what the first event needs, unless telemetry is off. From this call on, a fork waits for our imports.

        Called when an import is expected: when the drop-in is executed, or telemetry is switched on again. So Mem0's
        caller never pays for it, and a child forked during the first event inherits no unfinished import. If the
        OpenTelemetry SDK cannot be imported, telemetry is off; after a temporary failure the next event tries again.
        """
        if self.switches.off or not self.switches.decided:
            return
        with guard("preparing usage telemetry"), fork_gate.hold(), self._giving_up_on_failure():
            sampling.source()
            if not self.switches.dry_run:
                from mem0_telemetry.pipeline import pipeline  # noqa: F401, PLC0415  # it needs the SDK

    def observe(
        self,
        name: str,
        instance: object,
        additional: Mapping[str, Any] | None,
        observed_of: Callable[[object], dict[str, object] | None],
        rate: float,
    ) -> None:
        """Record one call of Mem0: decide, read the instance, enqueue the event. Never raises.

        Args:
            name: Mem0's own event name.
            instance: the object that the event is about; only its instance dictionaries are read.
            additional: Mem0's own properties; any value except a plain dict is ignored.
            observed_of: reads `instance`; returns None if the event must not be recorded.
            rate: share of the hot events that is kept.
        """
        with _capturing:
            if not self._first_event_seen and not self._see_first_event():
                return
            event = registry.event_by_mem0_name(name)
            hot = event is not None and event.hot
            rate = sampling.rate_of(rate) if hot else 1.0
            if hot and not sampling.keep(rate):
                return
            if not self.switches.allowed():
                return
            observed = observed_of(instance)
            if observed is None:
                return
            if event is None:
                self.drop_unregistered(name)
                return
            if type(additional) is dict:
                observed.update(additional)
            observed["sample_rate"] = rate
            self.enqueue(event, registry.select(event, observed))

    def _see_first_event(self) -> bool:
        """Read the environment again: a program may set `os.environ[...]` at any time before the first event."""
        enabled = self.switches.decide(read_state=False).enabled
        self.switches.warn()
        # Set this last: otherwise other threads skip this method and record events before the decision.
        self._first_event_seen = True
        return enabled

    def enqueue(self, event: Event, attributes: Mapping[str, Any]) -> None:
        """Enqueue a selected event, or print it in a dry run."""
        if self.switches.dry_run:
            with fork_gate.hold():  # printing takes the lock of stderr
                dry_run.show(event, attributes, directory=self.switches.directory)
            return
        try:
            pipeline = self.ensure_pipeline()
        except _PASSING:
            self.drop("not_ready")
            raise
        if pipeline is not None:
            pipeline.delivery.enqueue(event.name, attributes)
        elif self._building:
            self.drop("not_ready")

    def drop_unregistered(self, name: object) -> None:  # noqa: ARG002  # the name may be private
        """Count an event that the registry does not declare."""
        self.drop("unknown_event")

    def drop(self, reason: str) -> None:
        """Count an event that is dropped before it is queued."""
        with self._lock.of_this_process():
            if self.pipeline is None:
                self._dropped_before[reason] = self._dropped_before.get(reason, 0) + 1
                return
        self.pipeline.delivery.count_dropped(reason)

    def dropped_before(self) -> dict[str, int]:
        """Return the counts of events that were dropped before the pipeline was built, by reason."""
        return dict(self._dropped_before)

    def ensure_pipeline(self) -> Pipeline | None:
        """Return the pipeline, built at the first call, or None in a dry run and in the run that shows the notice.

        If building it fails, the error is raised and, unless it is temporary, telemetry is off from then on.
        """
        if self.pipeline is None:
            with self._giving_up_on_failure():
                self._build_once()
        return self.pipeline

    def pipeline_if_allowed(self) -> Pipeline | None:
        """Ask every source of consent again; return the pipeline for a use other than an event, or None if off."""
        # Check the switches first: if they are off, no file is read.
        if self.switches.allowed() and self.switches.decide().enabled:
            return self.ensure_pipeline()
        return None

    def _build_once(self) -> None:
        with fork_gate.hold(), self._lock.of_this_process():
            # Only a signal handler that interrupts the building, under the same lock, finds `_building` set.
            if self.pipeline is None and not self._building and self._is_admitted():
                self._building = True
                try:
                    self.pipeline = self._build_pipeline()
                finally:
                    self._building = False
                for reason, count in self._dropped_before.items():  # no longer changed by `drop`
                    self.pipeline.delivery.count_dropped(reason, count)

    @contextmanager
    def _giving_up_on_failure(self) -> Iterator[None]:
        """Switch telemetry off if the `with` block fails, unless the failure is temporary. The error is raised."""
        try:
            yield
        except _PASSING:
            raise
        except BaseException:
            reason = (
                "the OpenTelemetry SDK cannot be loaded in this process, or not any more (logged at DEBUG)"
            )
            self.switches.turn_off("opentelemetry-sdk", reason)
            self.drop("not_ready")  # counted once for all events of this process
            raise

    def _is_admitted(self) -> bool:
        """Return whether this run may record events: the run that shows the notice records none."""
        switches = self.switches
        if switches.off or switches.dry_run:
            return False
        vendor = any(config.is_vendor for config in switches.chosen.configs)
        state = switches.state or state_file.State()
        if notice.admits(switches.directory, os.environ, stderr=sys.stderr, vendor=vendor, state=state):
            return True
        switches.turn_off(notice.SOURCE, notice.REASON)
        return False

    def _build_pipeline(self) -> Pipeline:
        from mem0_telemetry.pipeline.pipeline import Pipeline  # noqa: PLC0415  # it needs the SDK

        return Pipeline(
            self.switches.chosen.configs,
            directory=self.switches.directory,
            allowed=self._may_send,
            exit_timeout=env.number(os.environ, env.MEM0_TELEMETRY_EXIT_TIMEOUT),
        )

    def _may_send(self) -> bool | None:
        """Return whether telemetry is still on, or None while `state.json` is temporarily unreadable."""
        if not self.switches.allowed():
            return False
        state = state_file.read(self.switches.directory)
        if self.pipeline is not None and state.readable:
            self.pipeline.follow(state.installation_id)
        return state.readable and not state.disabled

    def installation_id(self) -> str | None:
        """Return the id under which this process sends, else the stored id, else None. Creates nothing."""
        if self.pipeline is not None and self.pipeline.installation_id is not None:
            return self.pipeline.installation_id
        found = identity.current(self.switches.directory)
        return found.id if found else None

    def make_installation_id(self) -> str | None:
        """Return the installation id; create it if there is none. Return None if telemetry is off."""
        with guard("making the installation id"):
            if pipeline := self.pipeline_if_allowed():
                return pipeline.identity().id
        return None

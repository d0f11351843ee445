# SPDX-License-Identifier: Apache-2.0
"""Record events: observe a call, select what may be sent, enqueue it; build the pipeline for the first one."""

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
"""Failures of a moment, which do not say that the SDK cannot be loaded: the next event tries again."""
_capturing = guard("capturing an event")


class Recorder:
    """Records the calls that the drop-in hands on, as long as its switches allow it. Thread-safe.

    Attributes:
        switches: asked before anything is read, selected or built.
        pipeline: where events go, from the first kept one on.
    """

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.pipeline: Pipeline | None = None
        self._dropped_before: dict[str, int] = {}
        self._first_event_seen = False
        self._building = False
        # Re-entrant: a signal handler may record an event in the middle of the first event.
        self._lock = ForkSafeLock()

    def prepare(self) -> None:
        """Import what the first event needs, unless telemetry is off; from here on, a fork waits while we import.

        Called where imports are expected: when the drop-in is executed, or telemetry is switched on again. So the
        caller of Mem0 pays for none, and a child that is forked during the first event finds none under way. Where
        the OpenTelemetry SDK cannot be imported, telemetry is off; after a failure of a moment the next event tries.
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
        """Record one call of Mem0's: decide, then read, then enqueue. Never raises.

        Args:
            name: Mem0's own event name.
            instance: what the event is about; only its instance dictionaries are read.
            additional: Mem0's own properties; anything but a plain dict is ignored.
            observed_of: reads `instance`; answers None where the event is not to be recorded.
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
        """Read the environment once more, so that `os.environ[...]` works in any order before the first event."""
        enabled = self.switches.decide(read_state=False).enabled
        self.switches.warn()
        # Not before: other threads' first events must not be ahead of what it says.
        self._first_event_seen = True
        return enabled

    def enqueue(self, event: Event, attributes: Mapping[str, Any]) -> None:
        """Enqueue an event that was selected; in a dry run, print it."""
        if self.switches.dry_run:
            with fork_gate.hold():  # it takes the lock of stderr
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

    def drop_unregistered(self, name: object) -> None:  # noqa: ARG002  # its name may be private
        """Count an event that the registry does not know."""
        self.drop("unknown_event")

    def drop(self, reason: str) -> None:
        """Count an event that is dropped before it is queued."""
        with self._lock.of_this_process():
            if self.pipeline is None:
                self._dropped_before[reason] = self._dropped_before.get(reason, 0) + 1
                return
        self.pipeline.delivery.count_dropped(reason)

    def dropped_before(self) -> dict[str, int]:
        """Return the counts of events that were dropped before there was a pipeline, by reason."""
        return dict(self._dropped_before)

    def ensure_pipeline(self) -> Pipeline | None:
        """Return the pipeline, built now the first time; None in a dry run and in the run that shows the notice.

        Where it cannot be built, telemetry is off from here on; a failure of a moment is raised.
        """
        if self.pipeline is None:
            with self._giving_up_on_failure():
                self._build_once()
        return self.pipeline

    def pipeline_if_allowed(self) -> Pipeline | None:
        """Return the pipeline for what is no event: every source of consent is asked again."""
        # In this order: what is off reads no file.
        if self.switches.allowed() and self.switches.decide().enabled:
            return self.ensure_pipeline()
        return None

    def _build_once(self) -> None:
        with fork_gate.hold(), self._lock.of_this_process():
            # `_building` is only ever seen by a signal handler that has interrupted the building.
            if self.pipeline is None and not self._building and self._is_admitted():
                self._building = True
                try:
                    self.pipeline = self._build_pipeline()
                finally:
                    self._building = False
                for reason, count in self._dropped_before.items():  # nobody adds to them any more
                    self.pipeline.delivery.count_dropped(reason, count)

    @contextmanager
    def _giving_up_on_failure(self) -> Iterator[None]:
        """Switch telemetry off where what is inside the `with` block fails, unless that is a failure of a moment."""
        try:
            yield
        except _PASSING:
            raise
        except BaseException:
            reason = (
                "the OpenTelemetry SDK cannot be loaded in this process, or not any more (logged at DEBUG)"
            )
            self.switches.turn_off("opentelemetry-sdk", reason)
            self.drop("not_ready")  # counted once, for all events of this process
            raise

    def _is_admitted(self) -> bool:
        """Return whether nobody has to be told first; the run in which somebody is told records nothing."""
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
        """Return whether telemetry is still on, None where that cannot be told now."""
        if not self.switches.allowed():
            return False
        state = state_file.read(self.switches.directory)
        if self.pipeline is not None and state.readable:
            self.pipeline.follow(state.installation_id)
        return state.readable and not state.disabled

    def installation_id(self) -> str | None:
        """Return the id that this process sends under, else the stored one, else None. Creates nothing."""
        if self.pipeline is not None and self.pipeline.installation_id is not None:
            return self.pipeline.installation_id
        found = identity.current(self.switches.directory)
        return found.id if found else None

    def make_installation_id(self) -> str | None:
        """Return the id, made now where there is none; None where telemetry is off."""
        with guard("making the installation id"):
            if pipeline := self.pipeline_if_allowed():
                return pipeline.identity().id
        return None

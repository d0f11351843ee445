"""Usage telemetry of this process: observe, decide, select, queue. The state that outlives a reload of the drop-in."""

from __future__ import annotations

import os
import sys

from mem0_telemetry import environment_variables as env
from mem0_telemetry.base.guard import guard, note
from mem0_telemetry.base.lock import ForkSafeLock
from mem0_telemetry.pipeline import destinations
from mem0_telemetry.policy import consent, identity, notice, registry, sampling, state_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any

    from mem0_telemetry.pipeline.pipeline import Pipeline
    from mem0_telemetry.policy.consent import Consent
    from mem0_telemetry.policy.registry import Event
    from mem0_telemetry.policy.state_file import State

_capturing = guard("capturing an event")


class Usage:
    """The one object behind the drop-in, `set_enabled`, `status`, `flush` and `shutdown`. Thread-safe.

    Attributes:
        off: whether anything but the drop-in's own flag says off. A plain attribute: it is read at every call.
        flag: the drop-in's `MEM0_TELEMETRY`, once it is loaded.
        native: Mem0's own module object where it was loaded before us; its flag counts too.
        pipeline: where events go, from the first kept one on.
        directory: Mem0's directory as Mem0 finds it too, once: when the drop-in is executed.
        chosen: the destinations, as they were read when nothing else said off.
        warns: whether `warn` says anything; what it does not say now, whoever has switched this off says later.
    """

    def __init__(self) -> None:
        self.off = False
        self.flag: Callable[[], bool] = lambda: True
        self.native: ModuleType | None = None
        self.pipeline: Pipeline | None = None
        self.directory = ""
        self.chosen = destinations.NOTHING
        self.warns = True
        self._consent: Consent | None = None
        self._state: State | None = None
        self._switched_off = False
        self._native_is_quieted = False
        self._dropped_before: dict[str, int] = {}
        self._first_event_seen = False
        self._dry_run = False
        self._building = False
        # Re-entrant: a signal handler may record an event, or switch off, in the middle of the first event.
        self._lock = ForkSafeLock()

    def consult(self, *, read_state: bool = True) -> Consent:
        """Ask every source of consent again; what once said off in this process stays so.

        The first call decides (when the drop-in is executed, or in `instrument()`); later ones can only turn off.

        Args:
            read_state: also read `state.json` again, which is never done on an event.
        """
        with self._lock.of_this_process():
            self._dry_run = self._dry_run or env.is_set(os.environ, env.MEM0_TELEMETRY_DEBUG)
            if self._consent is None or self._consent.enabled:
                self._consent = consent.decide(os.environ)
                if self._consent.enabled:  # off from the start touches no disk
                    self._consent = self._ask_the_rest(read_state=read_state)
            self.off = self._switched_off or not self._consent.enabled
            self._quiet_native()
            return self._consent

    def meet_native(self, native: ModuleType | None) -> None:
        """Take note of Mem0's own module object, or, with None, that it is Mem0's again."""
        self.native = native
        self._native_is_quieted = False
        self._quiet_native()

    def _quiet_native(self) -> None:
        """Have Mem0's own flag say off while we are off: what wraps Mem0's functions may still call them."""
        if self.native is None:
            return
        names = vars(self.native)
        if self.off and names.get("MEM0_TELEMETRY") is True:
            names["MEM0_TELEMETRY"], self._native_is_quieted = False, True
        elif self._native_is_quieted and not self.off:
            names["MEM0_TELEMETRY"], self._native_is_quieted = True, False

    def warn(self) -> None:
        """Say what is wrong with the chosen destinations, and in a dry run why telemetry is off; each once a process.

        To be called without a lock of ours.
        """
        if self.warns:
            for problem in self.chosen.problems:
                _warn(problem)
            if not self.off:
                for problem in env.unusable_numbers(os.environ):
                    note(problem)
            if self._dry_run and self.off:
                from mem0_telemetry.usage.dry_run import show_off  # noqa: PLC0415  # only in a dry run

                show_off(self.consent())

    def _ask_the_rest(self, *, read_state: bool) -> Consent:
        """Ask the stored choice, and whether there is anywhere to send to; the environment says nothing."""
        # Once: a program may change its working directory, or `HOME`, at any time after.
        self.directory = self.directory or state_file.mem0_dir(os.environ)
        if read_state or self._state is None:
            self._state = state_file.read(self.directory)
        choice = consent.choice_of(self._state)
        stored = consent.decide(os.environ, choice=choice)
        if not stored.enabled:
            return stored
        self.chosen = destinations.resolve(os.environ)
        return consent.decide(os.environ, destination_problem=self.chosen.reason_for_none)

    def consent(self) -> Consent:
        """What is decided now: the run-time switches and the stored choice included, as they are at this moment."""
        decided = self._consent or self.consult()
        if not decided.enabled:
            return decided  # it stays so in this process, whatever is stored by now
        choice = consent.choice_of(state_file.read(self.directory))
        now = consent.decide({}, flag=self.allowed(), choice=choice)
        return decided if now.enabled else now

    def prepare(self) -> None:
        """Import what the first event needs, unless telemetry is off; from here on, a fork waits while we import.

        Called where imports are expected: when the drop-in is executed, or telemetry is switched on again. So the
        caller of Mem0 pays for none, and a child that is forked during the first event finds none under way. Where
        the OpenTelemetry SDK cannot be imported, telemetry is off.
        """
        if self.off or self._consent is None:
            return
        with guard("preparing usage telemetry"):
            loaded = False
            try:
                from mem0_telemetry.delivery import fork_gate  # noqa: PLC0415  # not where telemetry is off

                with fork_gate.hold():
                    sampling.prepare()
                    if self._dry_run:
                        from mem0_telemetry.usage import dry_run  # noqa: F401, PLC0415
                    else:
                        from mem0_telemetry.pipeline import pipeline  # noqa: F401, PLC0415
                loaded = True
            finally:
                if not loaded:
                    self._give_up()

    def leaves_off(self) -> bool:
        """Whether Mem0's own telemetry is to be off once we have gone: where ours is."""
        return not self.consent().enabled

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001  # DESIGN 3 names it so
        """Switch this process off, or withdraw that. Off deletes what this process has queued and spooled."""
        self._switched_off = not enabled
        self.consult()
        self.warn()
        if enabled:
            self.prepare()
        elif self.pipeline is not None:
            self.pipeline.discard()

    def allowed(self) -> bool:
        """Whether nothing in this process says off now. No disk, no environment; called for every kept event."""
        native = self.native
        return (
            not self.off
            and self.flag()
            and (native is None or env.says_on(vars(native).get("MEM0_TELEMETRY", True)))
        )

    def observe(
        self,
        name: str,
        instance: object,
        additional: Mapping[str, Any] | None,
        facts_of: Callable[[object], dict[str, object]],
        rate: float,
    ) -> None:
        """Take one call of Mem0's: decide, then read, then queue. Never raises.

        Args:
            name: Mem0's own event name.
            instance: what the event is about; only its instance dictionaries are read.
            additional: Mem0's own properties; anything but a plain dict is ignored.
            facts_of: reads `instance`.
            rate: share of the hot events that is kept.
        """
        with _capturing:
            if not self._first_event_seen and not self._see_first_event():
                return
            event = registry.event_by_mem0_name(name)
            if event is None:
                self.take_unregistered(name)
            elif not event.hot or sampling.keep(rate):
                self._keep(event, instance, additional, facts_of, rate if event.hot else 1.0)

    def _see_first_event(self) -> bool:
        """Read the environment once more, so that `os.environ[...]` works in any order before the first event."""
        enabled = self.consult(read_state=False).enabled
        self.warn()
        # Not before: other threads' first events must not be ahead of what it says.
        self._first_event_seen = True
        return enabled

    def _keep(
        self,
        event: Event,
        instance: object,
        additional: Mapping[str, Any] | None,
        facts_of: Callable[[object], dict[str, object]],
        rate: float,
    ) -> None:
        """Read, select and take an event that sampling has kept."""
        if not self.allowed():
            return
        facts = facts_of(instance)
        if type(additional) is dict:
            facts.update(additional)
        facts["sample_rate"] = rate
        self.take(event, registry.select(event, facts))

    def take(self, event: Event, attributes: Mapping[str, Any]) -> None:
        """Queue an event that was selected."""
        if self._dry_run:
            from mem0_telemetry.usage.dry_run import show  # noqa: PLC0415  # only in a dry run

            show(event, attributes, directory=self.directory)
            return
        pipeline = self.ensure_pipeline()
        if pipeline is None:
            if self._building:
                self.drop("not_ready")
            return
        pipeline.put(event.name, attributes)

    def take_unregistered(self, name: object) -> None:  # noqa: ARG002  # what it is called, nobody may learn
        """Count an event that the registry does not know."""
        self.drop("unknown_event")

    def drop(self, reason: str) -> None:
        """Count an event that is dropped before it is queued."""
        with self._lock.of_this_process():
            if self.pipeline is None:
                self._dropped_before[reason] = self._dropped_before.get(reason, 0) + 1
                return
        self.pipeline.count_dropped(reason)

    def dropped_before(self) -> dict[str, int]:
        """Counts of events that were dropped before there was a pipeline."""
        return dict(self._dropped_before)

    def ensure_pipeline(self) -> Pipeline | None:
        """The pipeline, built now where this is the first time; None in a dry run and in the run that shows the notice.

        Where it cannot be built, telemetry is off from here on.
        """
        if self.pipeline is None:
            tried = False
            try:
                self._build_once()
                tried = True
            finally:
                if not tried:
                    self._give_up()
        return self.pipeline

    def _build_once(self) -> None:
        from mem0_telemetry.delivery import fork_gate  # noqa: PLC0415  # only where something is really sent

        with fork_gate.hold(), self._lock.of_this_process():
            # `_building` is only ever seen by a signal handler that has interrupted the building.
            if self.pipeline is None and not self._building and self._is_admitted():
                self._building = True
                try:
                    self.pipeline = self._build_pipeline()
                finally:
                    self._building = False
                for reason, count in self._dropped_before.items():  # nobody adds to them any more
                    self.pipeline.count_dropped(reason, count)

    def _give_up(self) -> None:
        reason = "the OpenTelemetry SDK cannot be loaded in this process, or not any more (logged at DEBUG)"
        self._switch_off(_UNAVAILABLE, reason)
        self.drop("not_ready")  # counted once, for all events of this process

    def _switch_off(self, source: str, reason: str) -> None:
        """Be off from here on, for a reason that no source of consent has."""
        self._consent = consent.Consent(enabled=False, source=source, reason=reason)
        self.off = True
        self._quiet_native()

    def _is_admitted(self) -> bool:
        """Whether nobody has to be told first; the run in which somebody is told records nothing."""
        if self.off or self._dry_run:
            return False
        vendor = any(config.is_vendor for config in self.chosen.configs)
        state = self._state or state_file.State()
        if notice.admits(self.directory, os.environ, stderr=sys.stderr, vendor=vendor, state=state):
            return True
        self._switch_off(notice.SOURCE, notice.REASON)
        return False

    def _build_pipeline(self) -> Pipeline:
        from mem0_telemetry.mem0_internals.native_module import mem0_version  # noqa: PLC0415
        from mem0_telemetry.pipeline.pipeline import Pipeline  # noqa: PLC0415

        directory = self.directory

        def allowed() -> bool | None:
            if not self.allowed():
                return False
            state = state_file.read(directory)
            if self.pipeline is not None and state.readable:
                self.pipeline.follow(state.installation_id)
            choice = consent.choice_of(state)
            return None if choice == consent.UNKNOWN else choice == consent.ENABLED

        return Pipeline(
            self.chosen.configs,
            directory=directory,
            allowed=allowed,
            service_version=mem0_version,
            exit_timeout=env.exit_timeout(os.environ),
        )

    def installation_id(self) -> str | None:
        """The id that this process sends under, else the stored one, else None. Creates nothing."""
        if self.pipeline is not None and self.pipeline.installation_id is not None:
            return self.pipeline.installation_id
        found = identity.current(self.directory)
        return found.id if found else None

    def make_installation_id(self) -> str | None:
        """The id, made now where there is none; None where telemetry is off."""
        with guard("making the installation id"):
            if self.allowed() and self.consult().enabled:  # in this order: what is off reads no file
                pipeline = self.ensure_pipeline()
                return pipeline.identity().id if pipeline is not None else None
        return None


def _warn(problem: str) -> None:
    """Say once a process what is wrong with a destination, and the remedy."""
    if problem not in _warned:
        _warned.add(problem)
        from logging import getLogger  # noqa: PLC0415  # only where something is wrong

        getLogger("mem0_telemetry").warning("Mem0 usage telemetry is not sent as chosen: %s", problem)


_UNAVAILABLE = "opentelemetry-sdk"
_warned: set[str] = set()

usage = Usage()
"""The one of this process."""

# SPDX-License-Identifier: Apache-2.0
"""Decide whether usage telemetry of this process is on: ask every source of consent, and remember the answer."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mem0_telemetry import environment_variables as env
from mem0_telemetry.base.guard import note
from mem0_telemetry.base.lock import ForkSafeLock
from mem0_telemetry.pipeline import destinations
from mem0_telemetry.policy import consent, state_file
from mem0_telemetry.policy.consent import Consent
from mem0_telemetry.policy.state_file import State
from mem0_telemetry.usage import dry_run


class Flags:
    """The run-time flags of Mem0's guide: `MEM0_TELEMETRY` in the drop-in, and in Mem0's own module."""

    __slots__ = ("_drop_in", "_native", "_quieted")

    def __init__(self) -> None:
        self._drop_in: Mapping[str, Any] = {}
        self._native: dict[str, Any] = {}
        self._quieted = False

    def meet_drop_in(self, names: Mapping[str, Any]) -> None:
        """Read the flag among `names`, the globals of the drop-in, from now on."""
        self._drop_in = names

    def meet_native(self, native: ModuleType | None) -> None:
        """Read the flag of Mem0's own module from now on. None: that module is Mem0's again, so leave it alone."""
        self._native = {} if native is None else vars(native)
        self._quieted = False

    def say_on(self) -> bool:
        """Return whether neither flag says off."""
        return env.says_on(self._drop_in.get("MEM0_TELEMETRY", True)) and env.says_on(
            self._native.get("MEM0_TELEMETRY", True)
        )

    def quiet_native(self, *, off: bool) -> None:
        """Set the flag of Mem0's own module to `False` while we are off, and back to `True` after that.

        Code that wraps Mem0's functions may still call those of its own module.
        """
        if off and self._native.get("MEM0_TELEMETRY") is True:
            self._native["MEM0_TELEMETRY"], self._quieted = False, True
        elif self._quieted and not off:
            self._native["MEM0_TELEMETRY"], self._quieted = True, False


class Switches:
    """The decision, and what can still change it. Thread-safe.

    Args:
        flags: the run-time flags; by default new ones.

    Attributes:
        off: whether anything but the flags says off. A plain attribute: the drop-in reads it at every call.
        flags: the run-time flags.
        directory: Mem0's directory as Mem0 finds it too, read once: when the drop-in is executed.
        chosen: the destinations, as they were read when nothing else said off.
        state: what `state.json` said when it was last read; None before that.
        dry_run: whether events are only printed.
    """

    def __init__(self, flags: Flags | None = None) -> None:
        self.off = False
        self.flags = flags or Flags()
        self.directory = ""
        self.chosen = destinations.Destinations()
        self.state: State | None = None
        self.dry_run = False
        self._consent: Consent | None = None
        self._switched_off = False
        # Re-entrant: a signal handler may record an event, or switch off, in the middle of the first event.
        self._lock = ForkSafeLock()

    @property
    def decided(self) -> bool:
        """Return whether every source of consent has been asked."""
        return self._consent is not None

    def decide(self, *, read_state: bool = True) -> Consent:
        """Ask every source of consent again; what once said off in this process stays so.

        The first call decides (when the drop-in is executed, or in `instrument()`); later ones can only turn off.

        Args:
            read_state: also read `state.json` again, which is never done on an event.
        """
        with self._lock.of_this_process():
            self.dry_run = self.dry_run or env.is_set(os.environ, env.MEM0_TELEMETRY_DEBUG)
            if self._consent is None or self._consent.enabled:
                self._consent = self._ask(read_state=read_state)
            self.off = self._switched_off or not self._consent.enabled
            self.flags.quiet_native(off=self.off)
            return self._consent

    def _ask(self, *, read_state: bool) -> Consent:
        """Ask the environment, then the stored choice, then for a destination, up to the first that says off."""
        decided = consent.decide(os.environ)
        if decided.enabled:  # off from the start touches no disk
            # Once: a program may change its working directory, or `HOME`, at any time after.
            self.directory = self.directory or state_file.mem0_dir(os.environ)
            if read_state or self.state is None:
                self.state = state_file.read(self.directory)
            decided = consent.decide(os.environ, state=self.state)
        if decided.enabled:
            self.chosen = destinations.resolve(os.environ)
            decided = consent.decide(os.environ, destination_problem=self.chosen.reason_for_none)
        return decided

    def consent(self) -> Consent:
        """Return what is decided now: the run-time switches and the stored choice as they are at this moment."""
        decided = self._consent or self.decide()
        if not decided.enabled:
            return decided  # it stays so in this process, whatever is stored by now
        now = consent.decide({}, flag=self.allowed(), state=state_file.read(self.directory))
        return decided if now.enabled else now

    def allowed(self) -> bool:
        """Return whether nothing in this process says off now. Reads no disk and no environment."""
        return not self.off and self.flags.say_on()

    def leaves_off(self) -> bool:
        """Return whether Mem0's own telemetry is to be off once we have gone: where ours is."""
        return not self.consent().enabled

    def set_enabled(self, *, enabled: bool) -> None:
        """Switch off, or withdraw that."""
        self._switched_off = not enabled
        self.decide()

    def turn_off(self, source: str, reason: str) -> None:
        """Be off from here on, for a reason that no source of consent has."""
        self._consent = consent.Consent(enabled=False, source=source, reason=reason)
        self.off = True
        self.flags.quiet_native(off=True)

    def meet_native(self, native: ModuleType | None) -> None:
        """Take note of Mem0's own module object, or, with None, that it is Mem0's again."""
        self.flags.meet_native(native)
        self.flags.quiet_native(off=self.off)

    def warn(self) -> None:
        """Log what is wrong with the chosen destinations, and in a dry run why telemetry is off; each once a process.

        To be called without a lock of ours: a log handler may use Mem0, and wait for that lock.
        """
        for problem in self.chosen.problems:
            note(f"Mem0 usage telemetry is not sent as chosen: {problem}", level=logging.WARNING)
        for remark in self.chosen.remarks:
            note(f"Mem0 usage telemetry: {remark}", level=logging.WARNING)
        if not self.off:
            for problem in env.unusable_numbers(os.environ):
                note(problem)
        if self.dry_run and self.off:
            dry_run.show_off(self.consent(), warned=bool(self.chosen.problems))

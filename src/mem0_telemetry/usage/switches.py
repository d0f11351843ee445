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
        """Read the flag from `names`, the globals of the drop-in, from now on."""
        self._drop_in = names

    def meet_native(self, native: ModuleType | None) -> None:
        """Read the flag of Mem0's own module from now on. With None, leave that module alone: it is Mem0's again."""
        self._native = {} if native is None else vars(native)
        self._quieted = False

    def say_on(self) -> bool:
        """Return whether neither flag says off."""
        return env.says_on(self._drop_in.get("MEM0_TELEMETRY", True)) and env.says_on(
            self._native.get("MEM0_TELEMETRY", True)
        )

    def quiet_native(self, *, off: bool) -> None:
        """Set the flag of Mem0's own module to `False` while telemetry is off, and back to `True` afterwards.

        The flag still matters: a wrapper around Mem0's functions may call the functions of Mem0's own module.
        """
        if off and self._native.get("MEM0_TELEMETRY") is True:
            self._native["MEM0_TELEMETRY"], self._quieted = False, True
        elif self._quieted and not off:
            self._native["MEM0_TELEMETRY"], self._quieted = True, False


class Switches:
    """The decision whether telemetry is on, and the switches that can still change it. Thread-safe.

    Args:
        flags: the run-time flags; by default new ones.

    Attributes:
        off: whether a source other than the flags says off. A plain attribute: the drop-in reads it at every call.
        flags: the run-time flags.
        directory: Mem0's directory, found as Mem0 finds it. Set once, when the environment first says on.
        chosen: the destinations; read only if the environment and the stored choice say on.
        state: the content of `state.json` when it was last read; None before that.
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
        # Re-entrant: a signal handler may record an event, or switch off, during the first event.
        self._lock = ForkSafeLock()

    @property
    def decided(self) -> bool:
        """Return whether the first decision has been made."""
        return self._consent is not None

    def decide(self, *, read_state: bool = True) -> Consent:
        """Ask every source of consent again. Once a source says off, this process stays off.

        The first call decides (in `instrument()`, or when the drop-in is executed); later calls can only turn off.

        Args:
            read_state: also read `state.json` again; never during an event.
        """
        with self._lock.of_this_process():
            self.dry_run = self.dry_run or env.is_set(os.environ, env.MEM0_TELEMETRY_DEBUG)
            if self._consent is None or self._consent.enabled:
                self._consent = self._ask(read_state=read_state)
            self.off = self._switched_off or not self._consent.enabled
            self.flags.quiet_native(off=self.off)
            return self._consent

    def _ask(self, *, read_state: bool) -> Consent:
        """Ask the environment, then the stored choice, then for a destination, until one says off."""
        decided = consent.decide(os.environ)
        if decided.enabled:  # if the environment says off, the disk is not touched
            # Set it once: a program may change its working directory or `HOME` later.
            self.directory = self.directory or state_file.mem0_dir(os.environ)
            if read_state or self.state is None:
                self.state = state_file.read(self.directory)
            decided = consent.decide(os.environ, state=self.state)
        if decided.enabled:
            self.chosen = destinations.resolve(os.environ)
            decided = consent.decide(os.environ, destination_problem=self.chosen.reason_for_none)
        return decided

    def consent(self) -> Consent:
        """Return the decision with the run-time switches and the stored choice of this moment."""
        decided = self._consent or self.decide()
        if not decided.enabled:
            return decided  # off stays off in this process, whatever is stored now
        now = consent.decide({}, flag=self.allowed(), state=state_file.read(self.directory))
        return decided if now.enabled else now

    def allowed(self) -> bool:
        """Return whether nothing in this process says off now. Reads no disk and no environment."""
        return not self.off and self.flags.say_on()

    def leaves_off(self) -> bool:
        """Return whether `uninstrument()` must leave Mem0's own telemetry off: it must if ours is off."""
        return not self.consent().enabled

    def set_enabled(self, *, enabled: bool) -> None:
        """Switch telemetry off, or withdraw that."""
        self._switched_off = not enabled
        self.decide()

    def turn_off(self, source: str, reason: str) -> None:
        """Turn telemetry off for good, for a reason that no source of consent gives."""
        self._consent = consent.Consent(enabled=False, source=source, reason=reason)
        self.off = True
        self.flags.quiet_native(off=True)

    def meet_native(self, native: ModuleType | None) -> None:
        """Record which module is Mem0's own, or, with None, that its names are restored."""
        self.flags.meet_native(native)
        self.flags.quiet_native(off=self.off)

    def warn(self) -> None:
        """Log unusable settings and, in a dry run, why telemetry is off; each once per process.

        The caller must hold none of our locks: a log handler may use Mem0 and wait for that lock.
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

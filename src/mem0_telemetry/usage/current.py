# SPDX-License-Identifier: Apache-2.0
"""The usage telemetry of this process: the one object that the drop-in and the package's functions read through."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mem0_telemetry.mem0_internals.drop_in import DropIn
from mem0_telemetry.usage.recorder import Recorder
from mem0_telemetry.usage.switches import Switches


class Usage:
    """Holds the recorder, its switches and the drop-in. It outlives a reload of the drop-in's module.

    Attributes:
        recorder: records what the drop-in hands on.
        switches: the recorder's.
        drop_in: what `instrument()` has put in the place of Mem0's own telemetry; None before that.
    """

    def __init__(self) -> None:
        self.drop_in: DropIn | None = None
        self.use(Recorder(Switches()))

    def use(self, recorder: Recorder) -> None:
        """Work with `recorder` and its switches from now on."""
        self.recorder = recorder
        self.switches = recorder.switches

    def enter(self, drop_in: Mapping[str, Any]) -> None:
        """Decide, and import what the first event needs. To be called by the drop-in when it is executed.

        Args:
            drop_in: the globals of the drop-in, in which its flag is.
        """
        self.switches.flags.meet_drop_in(drop_in)
        # `instrument()` decides first and warns later: here it holds its lock, and that of the drop-in's import.
        first = not self.switches.decided
        self.switches.decide()
        if first:
            self.switches.warn()
        self.recorder.prepare()

    def replace_native(self, module: ModuleType) -> None:
        """Put `module` in the place of Mem0's own telemetry module."""
        if self.drop_in is None:
            self.drop_in = DropIn(module, found=self._note_native)
        self.drop_in.replace()

    def restore_native(self) -> None:
        """Give Mem0 its own names back."""
        if self.drop_in is not None:
            self.drop_in.restore(opted_out=self.switches.leaves_off())
            self._note_native(None)

    def _note_native(self, native: ModuleType | None) -> None:
        self.switches.meet_native(native)  # those of this moment: a test may work with others

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001  # as the public function
        """Switch this process off, or withdraw that. Off deletes what this process has queued and spooled."""
        self.switches.set_enabled(enabled=enabled)
        self.switches.warn()
        if enabled:
            self.recorder.prepare()
        elif self.recorder.pipeline is not None:
            self.recorder.pipeline.delivery.discard()


usage = Usage()
"""The one of this process."""

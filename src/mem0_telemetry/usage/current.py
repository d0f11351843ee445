# SPDX-License-Identifier: Apache-2.0
"""The usage telemetry of this process: the one object that the drop-in and the public functions share."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mem0_telemetry.mem0_internals.drop_in import DropIn
from mem0_telemetry.usage.recorder import Recorder
from mem0_telemetry.usage.switches import Switches


class Usage:
    """Holds the recorder, its switches and the drop-in. It survives a reload of the drop-in's module.

    Attributes:
        recorder: records the events that the drop-in passes on.
        switches: the recorder's switches.
        drop_in: the replacement of Mem0's own telemetry; None before `instrument()`.
    """

    def __init__(self) -> None:
        self.drop_in: DropIn | None = None
        self.use(Recorder(Switches()))

    def use(self, recorder: Recorder) -> None:
        """Use `recorder` and its switches from now on."""
        self.recorder = recorder
        self.switches = recorder.switches

    def enter(self, drop_in: Mapping[str, Any]) -> None:
        """Decide whether telemetry is on, and import what the first event needs. Called when the drop-in is executed.

        Args:
            drop_in: the globals of the drop-in, which contain its flag.
        """
        self.switches.flags.meet_drop_in(drop_in)
        # `instrument()` decides earlier and warns later, because it now holds its lock and an import lock.
        first = not self.switches.decided
        self.switches.decide()
        if first:
            self.switches.warn()
        self.recorder.prepare()

    def replace_native(self, module: ModuleType) -> None:
        """Replace Mem0's own telemetry module with `module`."""
        if self.drop_in is None:
            self.drop_in = DropIn(module, found=self._note_native)
        self.drop_in.replace()

    def restore_native(self) -> None:
        """Restore Mem0's own names."""
        if self.drop_in is not None:
            self.drop_in.restore(opted_out=self.switches.leaves_off())
            self._note_native(None)

    def _note_native(self, native: ModuleType | None) -> None:
        self.switches.meet_native(native)  # read at each call: a test may use other switches

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001  # like the public function
        """Switch this process off, or withdraw that. Switching off deletes its queued and spooled events."""
        self.switches.set_enabled(enabled=enabled)
        self.switches.warn()
        if enabled:
            self.recorder.prepare()
        elif self.recorder.pipeline is not None:
            self.recorder.pipeline.delivery.discard()


usage = Usage()
"""The only instance of this process."""

"""The usage telemetry of this process: the one object that the drop-in and the package's functions read through."""

from __future__ import annotations

from mem0_telemetry.usage.recorder import Recorder
from mem0_telemetry.usage.switches import Switches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Usage:
    """Holds the recorder and its switches. It outlives a reload of the drop-in.

    Attributes:
        recorder: records the events.
        switches: decides whether it may.
    """

    __slots__ = ("recorder", "switches")

    def __init__(self) -> None:
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
        self.switches.consult()
        if first:
            self.switches.warn()
        self.recorder.prepare()

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

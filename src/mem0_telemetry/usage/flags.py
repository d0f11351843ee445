# SPDX-License-Identifier: Apache-2.0
"""The run-time flags of Mem0's guide: `MEM0_TELEMETRY` in the drop-in, and in Mem0's own module."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from mem0_telemetry.environment_variables import says_on


class Flags:
    """Both flags of this process. Either one that says off switches usage telemetry off."""

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
        return says_on(self._drop_in.get("MEM0_TELEMETRY", True)) and says_on(
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

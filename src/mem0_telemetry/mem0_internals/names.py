# SPDX-License-Identifier: Apache-2.0
"""Where Mem0 keeps its telemetry names, as data: true of every release from 1.0.0 on."""

from __future__ import annotations

from types import ModuleType

TELEMETRY_MODULE = "mem0.memory.telemetry"
PARENT_PACKAGE = "mem0.memory"
MAIN_MODULE = "mem0.memory.main"
MIGRATIONS_COLLECTION = "mem0migrations"
"""The collection of the second vector store that Mem0 builds for telemetry, and that we never build."""

MARK = "_is_part_of_mem0_telemetry"
"""What the module of a function of ours has, so that another copy of this package knows it."""
_is_part_of_mem0_telemetry = True


class _MarkedFalse(int):
    """Equals `False`, and can be recognised as ours, not the application's."""

    _is_part_of_mem0_telemetry = True


def silent(*_: object, **__: object) -> None:
    """Do nothing. It is where Mem0's own function would have led to what the application put there."""


def _quiet_telemetry() -> ModuleType:
    """Return what Mem0's notices see of telemetry while the drop-in is in place: off.

    So no feature flag is evaluated, no file is fetched, no notice is spent and `add` counts nothing
    (mem0/memory/notices.py asks `MEM0_TELEMETRY` first, then `_get_oss_telemetry()`).
    """
    module = ModuleType("mem0_telemetry.quiet")
    values = {
        "MEM0_TELEMETRY": False,
        "FEATURE_FLAGS_REQUEST_TIMEOUT_SECONDS": 0.5,
        "_get_oss_telemetry": silent,
    }
    vars(module).update({MARK: True}, **values)
    return module


HOLDERS = {
    MAIN_MODULE: ("capture_event", "MEM0_TELEMETRY"),
    "mem0.client.main": ("capture_client_event", "client_telemetry"),
    "mem0.client.project": ("capture_client_event",),
    "mem0.proxy.main": ("capture_event", "capture_client_event"),
    "mem0.memory.notices": ("telemetry_module",),
}
"""The modules that take names from Mem0's telemetry module. Names that a release does not have are left out there."""

WHOLE_MODULE = frozenset({"telemetry_module", "telemetry", TELEMETRY_MODULE})
"""Names that hold the telemetry module itself: of a holder, of the parent package, and in `sys.modules`."""

FIXED = {
    # Taken by value; where true, each Memory builds a second vector store in the user's own database.
    "MEM0_TELEMETRY": _MarkedFalse(False),
    "telemetry_module": _quiet_telemetry(),
}
"""What a holder gets while the drop-in is in place, where it is not the drop-in's value of that name."""

NATIVE_NAMES = (
    "AnonymousTelemetry",
    "_get_oss_telemetry",
    "capture_client_event",
    "capture_event",
    "client_telemetry",
)
"""Names of the native module itself that are re-pointed, for whoever fetched the module object before us."""

FORWARDS_TO = {
    "capture_event": {"AnonymousTelemetry", "_get_oss_telemetry"},
    "capture_client_event": {"client_telemetry"},
}
"""What Mem0's own functions hand their events to. Where the application has replaced that, they are silent."""

NATIVE_EXIT_HOOK = "_shutdown_oss_telemetry"
"""The function of the native module that it registers with `atexit` (and `client_telemetry.close`)."""

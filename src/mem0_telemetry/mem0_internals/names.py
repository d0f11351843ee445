# SPDX-License-Identifier: Apache-2.0
"""Tables of the places where Mem0 keeps its telemetry names, correct for every release since 1.0.0."""

from __future__ import annotations

from types import ModuleType

TELEMETRY_MODULE = "mem0.memory.telemetry"
PARENT_PACKAGE = "mem0.memory"
MAIN_MODULE = "mem0.memory.main"
MIGRATIONS_COLLECTION = "mem0migrations"
"""The collection of the second vector store that Mem0 builds for telemetry. We never build it."""

MARK = "_is_part_of_mem0_telemetry"
"""The attribute that marks our modules and classes, so that other copies of this package recognize them."""
_is_part_of_mem0_telemetry = True


class _MarkedFalse(int):
    """A value that equals `False` and is recognizable as ours, not the application's."""

    _is_part_of_mem0_telemetry = True


def silent(*_: object, **__: object) -> None:
    """Do nothing, in place of a Mem0 function that would pass events to a value of the application."""


def _quiet_telemetry() -> ModuleType:
    """Return the module that shows telemetry as off to Mem0's notices while the drop-in is active.

    Mem0 then evaluates no feature flag, fetches no file and uses up no notice, and `add` counts nothing
    (mem0/memory/notices.py reads `MEM0_TELEMETRY` first, then calls `_get_oss_telemetry()`).
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
"""The modules that import names from Mem0's telemetry module. A name that a release does not have is skipped."""

WHOLE_MODULE = frozenset({"telemetry_module", "telemetry", TELEMETRY_MODULE})
"""Names of the telemetry module itself: in a holder, in the parent package and in `sys.modules`."""

FIXED = {
    # Holders import the value. If it is true, each Memory builds a second vector store in the user's database.
    "MEM0_TELEMETRY": _MarkedFalse(False),
    "telemetry_module": _quiet_telemetry(),
}
"""Values that a holder gets instead of the drop-in's own values of these names."""

NATIVE_NAMES = (
    "AnonymousTelemetry",
    "_get_oss_telemetry",
    "capture_client_event",
    "capture_event",
    "client_telemetry",
)
"""Names to replace in the native module itself, for code that got the module object before us."""

FORWARDS_TO = {
    "capture_event": {"AnonymousTelemetry", "_get_oss_telemetry"},
    "capture_client_event": {"client_telemetry"},
}
"""The names to which Mem0's own functions pass events. If the application replaced one, we silence the function."""

NATIVE_EXIT_HOOK = "_shutdown_oss_telemetry"
"""The function that the native module registers with `atexit`, in addition to `client_telemetry.close`."""

"""What a program that `verify` or `demo` runs inherits of the user's environment: nothing that would decide for it."""

from __future__ import annotations

import os

_SETTINGS = ("MEM0_", "OTEL_", "PYTEST_", "DO_NOT_TRACK", "POSTHOG_", "CI")
"""Beginnings of variables that would decide what the program is to decide."""

_ALL_HERE = "127.0.0.1,localhost"


def inherited() -> dict[str, str]:
    """Answer the environment without settings of telemetry's, and without proxies: all servers are on this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SETTINGS) and not name.lower().endswith("_proxy")
    }
    # Where no variable names a proxy, some systems have one in their settings.
    return {**kept, "NO_PROXY": _ALL_HERE, "no_proxy": _ALL_HERE}

# SPDX-License-Identifier: Apache-2.0
"""Read the runtime metadata: the attributes of the `Resource` that describe this interpreter and machine.

It is read when a provider is built, normally on the writer's thread. `platform.machine()` and `platform.release()`
share one `uname` call; no function here starts a subprocess (`platform.processor()` would) or resolves a host name.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib import metadata

from mem0_telemetry.policy.registry import Attribute
from mem0_telemetry.policy.registry import added_attributes as attributes
from mem0_telemetry.version import __version__

DISTRIBUTION = "mem0-telemetry"

# Python's names that differ from OpenTelemetry's well-known values of `os.type` and `host.arch`.
_OS_TYPES: Mapping[str, str] = {
    "win": "windows",  # `win32` without its digits
    "cygwin": "windows",
    "dragonfly": "dragonflybsd",
    "sunos": "solaris",
    "hp-ux": "hpux",
}
_ARCHITECTURES: Mapping[str, str] = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv6l": "arm32",
    "armv7l": "arm32",
    "armv8l": "arm32",
    "i386": "x86",
    "i486": "x86",
    "i586": "x86",
    "i686": "x86",
    "ppc": "ppc32",
    "ppc64le": "ppc64",
}


def runtime_metadata() -> dict[str, str]:
    """Return this process's resource attributes by OpenTelemetry's names, yet to be selected. Costs about 1 ms."""
    implementation = sys.implementation
    found = {
        attributes.SERVICE_NAME: "mem0",
        attributes.SERVICE_VERSION: _version_of("mem0ai"),
        attributes.SDK_NAME: "opentelemetry",
        attributes.SDK_LANGUAGE: "python",
        attributes.SDK_VERSION: _version_of("opentelemetry-sdk"),
        attributes.DISTRO_NAME: DISTRIBUTION,
        attributes.DISTRO_VERSION: __version__,
        attributes.RUNTIME_NAME: implementation.name,
        attributes.RUNTIME_VERSION: ".".join(str(part) for part in implementation.version[:3]),
        attributes.OS_TYPE: _well_known(attributes.OS_TYPE, sys.platform.rstrip("0123456789"), _OS_TYPES),
        attributes.OS_VERSION: platform.mac_ver()[0] or platform.release(),
        attributes.HOST_ARCH: _well_known(attributes.HOST_ARCH, platform.machine().lower(), _ARCHITECTURES),
    }
    return {attribute.key: value for attribute, value in found.items() if value}


def _version_of(distribution: str) -> str:
    """Return the installed version of `distribution`, or "" if it is unknown."""
    try:
        return metadata.version(distribution)
    except (metadata.PackageNotFoundError, OSError):  # a frozen application, or no file can be opened now
        return ""


def _well_known(attribute: Attribute, name: str, renamed: Mapping[str, str]) -> str:
    """Return the declared value for Python's `name`, or "" if none is declared."""
    value = renamed.get(name, name)
    return value if value in attribute.type.texts else ""

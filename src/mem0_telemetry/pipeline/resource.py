# SPDX-License-Identifier: Apache-2.0
"""Read the runtime metadata, which is what the `Resource` says of this interpreter and machine.

Read once, on the writer's thread: `platform.machine()` and `platform.release()` are one `uname` call; nothing here
starts a subprocess (`platform.processor()` would) or resolves a name.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping

from mem0_telemetry.policy.registry import added_attributes as attributes
from mem0_telemetry.version import __version__

DISTRIBUTION = "mem0-telemetry"

# OpenTelemetry's well-known values of `os.type` and `host.arch` (semantic conventions 1.44); others are left out.
_OS_TYPES: Mapping[str, str] = {
    "linux": "linux",
    "darwin": "darwin",
    "win": "windows",  # `win32` without its digits
    "cygwin": "windows",
    "freebsd": "freebsd",
    "netbsd": "netbsd",
    "openbsd": "openbsd",
    "dragonfly": "dragonflybsd",
    "sunos": "solaris",
    "aix": "aix",
    "hp-ux": "hpux",
    "zos": "zos",
}
_ARCHITECTURES: Mapping[str, str] = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm32",
    "armv7l": "arm32",
    "armv8l": "arm32",
    "i386": "x86",
    "i486": "x86",
    "i586": "x86",
    "i686": "x86",
    "x86": "x86",
    "ia64": "ia64",
    "ppc": "ppc32",
    "ppc64": "ppc64",
    "ppc64le": "ppc64",
    "s390x": "s390x",
}


def runtime_metadata(*, service_version: str, sdk_version: str) -> dict[str, str]:
    """Return the resource attributes of this process, by OpenTelemetry's names. Costs about 0.1 ms.

    Args:
        service_version: mem0ai's version; "" where it is not known.
        sdk_version: opentelemetry-sdk's version; "" where it is not loaded.
    """
    implementation = sys.implementation
    found = {
        attributes.SERVICE_NAME: "mem0",
        attributes.SERVICE_VERSION: service_version,
        attributes.SDK_NAME: "opentelemetry",
        attributes.SDK_LANGUAGE: "python",
        attributes.SDK_VERSION: sdk_version,
        attributes.DISTRO_NAME: DISTRIBUTION,
        attributes.DISTRO_VERSION: __version__,
        attributes.RUNTIME_NAME: implementation.name,
        attributes.RUNTIME_VERSION: ".".join(str(part) for part in implementation.version[:3]),
        attributes.OS_TYPE: _OS_TYPES.get(sys.platform.rstrip("0123456789"), ""),
        attributes.OS_VERSION: _os_version(),
        attributes.HOST_ARCH: _ARCHITECTURES.get(platform.machine().lower(), ""),
    }
    return {attribute.key: value for attribute, value in found.items() if value}


def _os_version() -> str:
    """Return `major.minor` of the operating system: of macOS itself, else of the kernel. No build string."""
    version = platform.mac_ver()[0] or platform.release()
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return f"{major}.{minor}" if minor else major

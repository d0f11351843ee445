# SPDX-License-Identifier: Apache-2.0
"""The attributes that do not come from a call: those that the writer adds to records, and those of the resource."""

from __future__ import annotations

from mem0_telemetry.policy.registry.model import Attribute
from mem0_telemetry.policy.registry.types import MARK, UUID, enum, version, whole_number

_OURS = "mem0-telemetry 0.1.0"

# --- on any record

INSTALLATION_ID = Attribute(
    "app.installation.id",
    UUID,
    "The installation: a random UUID, `distinct_id` in PostHog. A pseudonym, linked to no account.",
    level="required",
)
RECORD_UID = Attribute(
    "log.record.uid",
    UUID,
    "The record: a random UUID by which a repeat is recognised, `uuid` in PostHog.",
    level="required",
    since=_OURS,
)
EPHEMERAL = Attribute(
    "mem0.installation.ephemeral",
    MARK,
    "The installation id could not be stored, and is this process's only.",
    level="conditionally_required",
    since=_OURS,
)
CI = Attribute(
    "mem0.ci", MARK, "A build service runs this process.", level="conditionally_required", since=_OURS
)
SERVICE_VERSION = Attribute(
    "service.version",
    version(parts=3),
    "The installed release of mem0ai.",
    mem0_name="client_version",
    level="required",
)
DROP_REASONS = {
    "queue_full": "the queue was full",
    "rejected": "the registry does not declare them",
    "unencodable": "they could not be written",
    "spool_full": "the disk space that they may take was full",
    "expired": "they could not be sent for a week",
    "corrupt": "their file could not be read",
    "refused": "the destination will never take them",
    "discarded": "telemetry was switched off meanwhile",
    "shut_down": "telemetry was shut down before",
    "not_ready": "telemetry could not be started",
    "unknown_event": "this release of mem0ai has events that are not declared",
}
"""The reasons for which events are dropped, each in words that follow "because"."""
DROPPED = {
    reason: Attribute(
        f"mem0.telemetry.dropped.{reason}",
        whole_number(1, 1_000_000_000),
        f"How many events were dropped since the last count, because {why}.",
        level="conditionally_required",
        since=_OURS,
    )
    for reason, why in DROP_REASONS.items()
}
"""The count of dropped events, by reason."""
OF_EVERY_RECORD = (INSTALLATION_ID, SERVICE_VERSION, RECORD_UID, EPHEMERAL, CI, *DROPPED.values())
"""The attributes that any record may carry, whatever its event."""

# --- the resource: the same for every record of a process

SERVICE_NAME = Attribute(
    "service.name", enum("mem0"), "What is observed: `mem0`.", level="required", since=_OURS
)
SDK_LANGUAGE = Attribute(
    "telemetry.sdk.language",
    enum("python"),
    "The language of the library that sends.",
    mem0_name="client_source",
    level="required",
)
SDK_NAME = Attribute("telemetry.sdk.name", enum("opentelemetry"), "The SDK that sends.", since=_OURS)
SDK_VERSION = Attribute("telemetry.sdk.version", version(parts=3), "The SDK's release.", since=_OURS)
DISTRO_NAME = Attribute(
    "telemetry.distro.name", enum("mem0-telemetry"), "This package, which sends.", since=_OURS
)
DISTRO_VERSION = Attribute(
    "telemetry.distro.version", version(parts=3), "This package's release.", since=_OURS
)
RUNTIME_NAME = Attribute(
    "process.runtime.name", enum("cpython", "pypy", "graalpy"), "The implementation of Python.", since=_OURS
)
RUNTIME_VERSION = Attribute(
    "process.runtime.version",
    version(parts=3),
    "The version of Python, without its build.",
    mem0_name="python_version",
)
OS_TYPE = Attribute(
    "os.type",
    enum(
        "aix",
        "darwin",
        "dragonflybsd",
        "freebsd",
        "hpux",
        "linux",
        "netbsd",
        "openbsd",
        "solaris",
        "windows",
        "zos",
    ),
    "The operating system.",
    mem0_name="os",
)
OS_VERSION = Attribute(
    "os.version",
    version(parts=2),
    "The version of the operating system or kernel, major and minor.",
    mem0_name="os_version",
)
HOST_ARCH = Attribute(
    "host.arch",
    enum("amd64", "arm32", "arm64", "ia64", "ppc32", "ppc64", "s390x", "x86"),
    "The architecture of the processor.",
    mem0_name="machine",
)
OF_THE_RESOURCE = (
    INSTALLATION_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    SDK_LANGUAGE,
    SDK_NAME,
    SDK_VERSION,
    DISTRO_NAME,
    DISTRO_VERSION,
    RUNTIME_NAME,
    RUNTIME_VERSION,
    OS_TYPE,
    OS_VERSION,
    HOST_ARCH,
)
"""The attributes that the resource may carry."""

# SPDX-License-Identifier: Apache-2.0
"""The differences from Mem0's own telemetry (measured with mem0ai 2.2.1, and read in the source of 1.0.0 to 2.2.1).

`TELEMETRY.md` shows this data, and a test runs one session with both: each property that Mem0 sends must be sent by
this package with the same name and value, or be named here.
"""

from __future__ import annotations

from typing import NamedTuple

from mem0_telemetry.policy.registry.events import PROJECT_TEXTS


class NotSent(NamedTuple):
    """Data that Mem0 sends and this package does not."""

    what: str
    """The data, in words."""
    properties: tuple[str, ...]
    """Mem0's names for the data: properties, or whole events."""
    cost: str
    """The information that Mem0's maintainers lose."""


NOT_SENT = (
    NotSent(
        "the account's e-mail, and the event that ties the anonymous id to it",
        ("distinct_id", "$identify", "$anon_distinct_id"),
        "Hosted usage is counted by installation, not by account, and joined with no other surface.",
    ),
    NotSent(
        "notices that Mem0 shows for its hosted service, with the feature flags that choose them",
        (
            "mem0.notice_displayed",
            "$feature_flag_called",
            "$feature/mem0-oss-notices",
            "$active_feature_flags",
        ),
        "No notice is shown where this package is: exposures and experiments lack these users.",
    ),
    NotSent(
        "MD5 of the ids of users, agents and runs",
        ("encoded_ids",),
        "How many end users an application has; which of the three kinds is used stays in `keys`.",
    ),
    NotSent(
        "ids of entities, memories and webhooks",
        ("user_id", "agent_id", "app_id", "run_id", "memory_id", "webhook_id"),
        "Nothing that is counted; which kinds of entity were deleted stays in `keys`.",
    ),
    NotSent("the name of the collection", ("collection",), "Whether the default name is used."),
    NotSent(
        "e-mail addresses of a project's members, the name and description of a project",
        ("email", "name", "description"),
        "Nothing that is counted; whether a description was given stays in `keys`.",
    ),
    NotSent(
        "texts of the user: the reason of a feedback, the schema of an export, instructions, categories",
        ("feedback_reason", "schema", *PROJECT_TEXTS),
        "What is written; which of them were given stays in `keys`.",
    ),
    NotSent(
        "the kernel's release, the processor's name, and what PostHog's client adds of the system by itself",
        (
            "os_release",
            "processor",
            "$os",
            "$os_version",
            "$os_distro",
            "$python_runtime",
            "$python_version",
            "$is_server",
        ),
        "Which Linux distribution is used.",
    ),
)

CHANGED = {
    "python_version": "the version alone, as `3.11.7`, without build, compiler and date",
    "os": "OpenTelemetry's value: `windows` for `win32`; `linux` and `darwin` are the same",
    "os_version": "major and minor of the system's or kernel's version, as `6.1`, without its build",
    "machine": "OpenTelemetry's value: `amd64` for `x86_64`, `arm64` for `aarch64`",
    "client_version": "without a local suffix",
    "function": "`custom` for a class of the application; a free API version becomes `other`",
    "vector_store": "`custom` for a class that is not Mem0's own",
    "graph_store": "`custom` for a class that is not Mem0's own; left out instead of null without a graph store",
    "llm": "`custom` for a class that is not Mem0's own",
    "embedding_model": "`custom` for a class that is not Mem0's own",
    "vector_size": "left out unless it is a common number of dimensions, such as `1536`",
    "version": "`other` for a version that Mem0 does not have",
    "keys": (
        "all names that the caller chose become a single `other`; an empty list is left out; where Mem0 "
        "sends the values themselves, only the names of the given values are sent"
    ),
    "fields": "all names that are not settings become a single `other`; left out instead of null if none is given",
    "limit": "an upper bound: rounded up to 1, 5, 10, 20, 50, 100 or 1000; 1000 for more; left out below 1",
    "threshold": "rounded to one decimal; left out instead of null if none is given",
    "explain": "left out instead of null if it is not a boolean",
    "delete_linked": "left out instead of null if it is not a boolean",
    "multilingual": "left out instead of null if it is not given",
    "decay": "left out instead of null if it is not given",
    "enable_graph": "left out instead of null if it is not given",
    "feedback": "left out instead of null if it is not given",
    "sample_rate": "mem0ai 1.x neither samples nor sends it: here its events are sampled like those of 2.x",
    "distinct_id": "a random id of the installation for the hosted client too, where Mem0 sends the e-mail",
    "$lib": "this package's exporter instead of PostHog's client, and `$lib_version` with it",
    "$lib_version": "see `$lib`",
    "$geoip_disable": "the same, `true`; in addition `$ip` is `0.0.0.0`, so PostHog keeps no address",
}
"""Properties that keep their name but not always their value: Mem0's name, and how the value differs."""

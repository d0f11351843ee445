"""Where this differs from what Mem0 sends by itself (measured on mem0ai 2.2.1 and read in 1.0.0 to 2.2.1).

Data for `TELEMETRY.md` and for the test that runs one session through both: a property that Mem0 sends is
either sent here with the same name and value, or it is named here.
"""

from __future__ import annotations

from mem0_telemetry.base.frozen import Frozen
from mem0_telemetry.policy.registry.hosted_events import PROJECT_TEXTS


class NotSent(Frozen):
    """Something that Mem0 sends and this does not."""

    __slots__ = ("cost", "properties", "what")
    what: str
    """What it is."""
    properties: tuple[str, ...]
    """Mem0's names of it: properties, or events in full."""
    cost: str
    """What Mem0's maintainers no longer learn."""

    def __init__(self, what: str, *properties: str, cost: str) -> None:
        self._freeze(what=what, properties=properties, cost=cost)


class Changed(Frozen):
    """A property that keeps its name and not always its value."""

    __slots__ = ("how", "property")
    property: str
    """Mem0's name of it."""
    how: str
    """How the value differs."""

    def __init__(self, property: str, how: str) -> None:  # noqa: A002  # Mem0's and PostHog's word
        self._freeze(property=property, how=how)


NOT_SENT = (
    NotSent(
        "the account's e-mail, and the event that ties the anonymous id to it",
        "distinct_id",
        "$identify",
        "$anon_distinct_id",
        cost="Hosted usage is counted by installation, not by account, and joined with no other surface.",
    ),
    NotSent(
        "notices that Mem0 shows for its hosted service, with the feature flags that choose them",
        "mem0.notice_displayed",
        "$feature_flag_called",
        "$feature/mem0-oss-notices",
        "$active_feature_flags",
        cost="No notice is shown where this package is: exposures and experiments lack these users.",
    ),
    NotSent(
        "MD5 of the ids of users, agents and runs",
        "encoded_ids",
        cost="How many end users an application has; which of the three kinds is used stays in `keys`.",
    ),
    NotSent(
        "ids of entities, memories and webhooks",
        "user_id",
        "agent_id",
        "app_id",
        "run_id",
        "memory_id",
        "webhook_id",
        cost="Nothing that is counted; which kinds of entity were deleted stays in `keys`.",
    ),
    NotSent(
        "the name of the collection",
        "collection",
        cost="Whether the default name is used.",
    ),
    NotSent(
        "e-mail addresses of a project's members, the name and description of a project",
        "email",
        "name",
        "description",
        cost="Nothing that is counted; whether a description was given stays in `keys`.",
    ),
    NotSent(
        "texts of the user's: the reason of a feedback, the schema of an export, instructions, categories",
        "feedback_reason",
        "schema",
        *PROJECT_TEXTS,
        cost="What is written; which of them were given stays in `keys`.",
    ),
    NotSent(
        "the kernel's release, the processor's name, and what PostHog's client adds of the system by itself",
        "os_release",
        "processor",
        "$os",
        "$os_version",
        "$os_distro",
        "$python_runtime",
        "$python_version",
        "$is_server",
        cost="Which Linux distribution is used.",
    ),
)

CHANGED = (
    Changed("python_version", "the version alone, as `3.11.7`, without build, compiler and date"),
    Changed("os", "OpenTelemetry's value: `windows` for `win32`; `linux` and `darwin` are the same"),
    Changed("os_version", "major and minor of the system's or kernel's version, as `6.1`, without its build"),
    Changed("machine", "OpenTelemetry's value: `amd64` for `x86_64`, `arm64` for `aarch64`"),
    Changed("client_version", "without a local suffix"),
    Changed("function", "`custom` for a class of the application; a free API version becomes `other`"),
    Changed("vector_store", "`custom` for a class that is not Mem0's own"),
    Changed(
        "graph_store",
        "`custom` for a class that is not Mem0's own; left out, not null, without a graph store",
    ),
    Changed("llm", "`custom` for a class that is not Mem0's own"),
    Changed("embedding_model", "`custom` for a class that is not Mem0's own"),
    Changed("vector_size", "left out where it is none of the common numbers of dimensions, such as `1536`"),
    Changed("version", "`other` for a version that is none of Mem0's"),
    Changed(
        "keys",
        "names of the caller's own together are one `other`; an empty list is left out; where Mem0 sends the "
        "values themselves, the names of those that were given are sent instead",
    ),
    Changed(
        "fields",
        "names that are no setting together are one `other`; left out, not null, where none is given",
    ),
    Changed(
        "limit",
        "an upper bound: rounded up to 1, 5, 10, 20, 50, 100 or 1000; 1000 for more; left out below 1",
    ),
    Changed("threshold", "rounded to one decimal; left out, not null, where none is given"),
    Changed("explain", "left out, not null, where it is no boolean"),
    Changed("delete_linked", "left out, not null, where it is no boolean"),
    Changed("multilingual", "left out, not null, where it is not given"),
    Changed("decay", "left out, not null, where it is not given"),
    Changed("enable_graph", "left out, not null, where it is not given"),
    Changed("feedback", "left out, not null, where it is not given"),
    Changed(
        "sample_rate",
        "mem0ai 1.x neither samples nor sends it: here its events are sampled like those of 2.x",
    ),
    Changed(
        "distinct_id",
        "a random id of the installation for the hosted client too, where Mem0 sends the e-mail",
    ),
    Changed("$lib", "this package's exporter instead of PostHog's client, and `$lib_version` with it"),
    Changed("$lib_version", "see `$lib`"),
    Changed(
        "$geoip_disable", "the same, `true`; beside it `$ip` is `0.0.0.0`, so that PostHog keeps no address"
    ),
)

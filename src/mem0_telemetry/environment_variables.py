# SPDX-License-Identifier: Apache-2.0
"""Name every environment variable that this distribution reads, and read it.

Not in the entry point group `opentelemetry_environment_variables`: of a module there `opentelemetry-instrument` makes
options of the names that begin with `OTEL_` only, and fails to start where two modules share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

MEM0_TELEMETRY = "MEM0_TELEMETRY"
"""Usage telemetry on or off: only `true`, `1` and `yes`, in any case, keep it on; unset is on, as in Mem0."""

SDK_DISABLED = "OTEL_SDK_DISABLED"
"""OpenTelemetry's own switch: `true`, in any case, is off."""

DO_NOT_TRACK = "DO_NOT_TRACK"
"""The switch shared by many tools: anything but empty, `0` and `false` is off."""

MEM0_DIR = "MEM0_DIR"
"""Mem0's directory, default `~/.mem0`: Mem0's `config.json`, and `telemetry/`, which is ours."""

MEM0_TELEMETRY_EXPORTER = "MEM0_TELEMETRY_EXPORTER"
"""Destinations, comma-separated: `posthog`, `otlp`, `console`, an entry point; `none` is off.

Default: `otlp` where `MEM0_TELEMETRY_OTLP_ENDPOINT` is set, else `posthog`."""

MEM0_TELEMETRY_POSTHOG_API_KEY = "MEM0_TELEMETRY_POSTHOG_API_KEY"
"""Project key of the PostHog destination, default Mem0's public one."""

MEM0_TELEMETRY_POSTHOG_HOST = "MEM0_TELEMETRY_POSTHOG_HOST"
"""Host of the PostHog destination, default PostHog's US cloud."""

MEM0_TELEMETRY_OTLP_ENDPOINT = "MEM0_TELEMETRY_OTLP_ENDPOINT"
"""Base URL of the OTLP destination; over HTTP `/v1/logs` is appended where it is not there."""

MEM0_TELEMETRY_OTLP_HEADERS = "MEM0_TELEMETRY_OTLP_HEADERS"
"""Headers of the OTLP destination, as `key=value` pairs separated by commas."""

MEM0_TELEMETRY_OTLP_PROTOCOL = "MEM0_TELEMETRY_OTLP_PROTOCOL"
"""Protocol of the OTLP destination: `http/protobuf` (default) or `grpc`."""

MEM0_TELEMETRY_SAMPLE_RATE = "MEM0_TELEMETRY_SAMPLE_RATE"
"""Share of `Memory`'s hot events that is kept, from 0 to 1, default 0.1, as in Mem0."""

MEM0_TELEMETRY_EXIT_TIMEOUT = "MEM0_TELEMETRY_EXIT_TIMEOUT"
"""Seconds that the network may hold the process at exit, default 0.5; `0` waits for no network at all."""

MEM0_TELEMETRY_DEBUG = "MEM0_TELEMETRY_DEBUG"
"""Dry run, for anything but empty, `0`, `false`: events are printed to stderr; nothing is sent or stored."""

PYTEST_VERSION = "PYTEST_VERSION"
"""Set by pytest for its whole run: telemetry is off unless it is switched on explicitly."""

PYTEST_CURRENT_TEST = "PYTEST_CURRENT_TEST"
"""Set by pytest while a test runs, and inherited by the processes that the test starts."""

CI_VARIABLES = (
    "CI",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "BUILDKITE",
    "CIRCLECI",
    "TRAVIS",
    "APPVEYOR",
    "TF_BUILD",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "CODEBUILD_BUILD_ID",
    "BITBUCKET_BUILD_NUMBER",
)
"""Variables of build services: one set to anything but empty, `0` and `false` labels the events."""

_EXPLICITLY_ON = ("true", "1", "yes")
# The default and the largest value of each variable that is a number from 0 on.
_numbers = {MEM0_TELEMETRY_SAMPLE_RATE: (0.1, 1.0), MEM0_TELEMETRY_EXIT_TIMEOUT: (0.5, 86_400.0)}
_READ = frozenset(value for name, value in tuple(globals().items()) if name.isupper() and type(value) is str)
# For `difflib`. All names share a long beginning, so a name that is only as near as that is another one.
_NEAR = 0.9
_LIKE_A_SWITCH = ("MEM0_TELEM", "MEM0_DISABLE_TELEM")


def text(environ: Mapping[str, str], name: str) -> str:
    """Return what `name` is set to, without blanks and quotes around it (`docker run --env-file` keeps quotes)."""
    given = environ.get(name, "").strip()
    return given[1:-1].strip() if len(given) > 1 and given[0] == given[-1] and given[0] in "\"'" else given


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Return whether `name` is set to anything but empty, `0` and `false` (in any case)."""
    return environ.get(name, "").strip().lower() not in ("", "0", "false")


def is_explicitly_on(environ: Mapping[str, str]) -> bool:
    """Return whether `MEM0_TELEMETRY` is set to a spelling that keeps telemetry on; unset is not explicit."""
    return says_on(environ.get(MEM0_TELEMETRY, ""))


def says_on(value: object) -> bool:
    """Return whether a switch that is set to `value` is on: `True`, or a text that keeps `MEM0_TELEMETRY` on."""
    return value is True or (type(value) is str and value.lower() in _EXPLICITLY_ON)


def unread(environ: Mapping[str, str]) -> list[str]:
    """Return the names that begin like a switch of Mem0's telemetry, in any case, and that nothing reads.

    Nobody sets one without a wish, and it may be a no in another spelling (`MEM0_TELEMTRY=False`).
    """
    return sorted(name for name in environ if name.upper().startswith(_LIKE_A_SWITCH) and name not in _READ)


def problem_of_unread(names: list[str], *, stops_posthog: bool) -> str:
    """Return what the variables `names`, which nothing reads, do, and what was meant, where a name is near."""
    like = [name for name in _READ if name.startswith(_LIKE_A_SWITCH)]
    meant = sorted({near for name in names for near in get_close_matches(name.upper(), like, 1, _NEAR)})
    if stops_posthog and not meant:
        meant = [f"{MEM0_TELEMETRY}=False, which switches telemetry off"]
    shown = ", ".join(ascii(name)[1:-1][:60] for name in names[:5])
    effect = "To be safe, nothing is sent to PostHog." if stops_posthog else "It is not read."
    remedy = f"Unset it, or use {' or '.join(meant)}" if meant else "Unset it"
    return f"{shown}: not a variable of mem0-telemetry or Mem0 (misspelled?). {effect} {remedy}"


def is_ci(environ: Mapping[str, str]) -> bool:
    """Return whether a build service runs this process: a label on the event, never a switch."""
    return any(is_set(environ, name) for name in CI_VARIABLES)


def number(environ: Mapping[str, str], name: str) -> float:
    """Return the number that `name` is set to, or its default where that cannot be used."""
    found = _usable_number(environ, name)
    return _numbers[name][0] if found is None else found


def unusable_numbers(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable that should be a number and is none that can be used."""
    return [
        f"{name} is no number from 0 to {largest:g}: its default is used"
        for name, (_, largest) in _numbers.items()
        if _usable_number(environ, name) is None
    ]


def _usable_number(environ: Mapping[str, str], name: str) -> float | None:
    default, largest = _numbers[name]
    try:
        value = float(text(environ, name) or default)
    except ValueError:
        return None
    return value if 0.0 <= value <= largest else None

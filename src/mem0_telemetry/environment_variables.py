# SPDX-License-Identifier: Apache-2.0
"""Name every environment variable that this distribution reads, and read it.

This module is not in the entry point group `opentelemetry_environment_variables`: `opentelemetry-instrument` makes
options only of names that begin with `OTEL_`, and fails to start if two modules share a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

MEM0_TELEMETRY = "MEM0_TELEMETRY"
"""Usage telemetry on or off: only `true`, `1` and `yes`, in any case, keep it on; unset is on, as in Mem0."""

SDK_DISABLED = "OTEL_SDK_DISABLED"
"""OpenTelemetry's own switch: `true`, in any case, is off."""

DO_NOT_TRACK = "DO_NOT_TRACK"
"""A switch that many tools share: any value except empty, `0` and `false` is off."""

MEM0_DIR = "MEM0_DIR"
"""Mem0's directory, default `~/.mem0`. It contains Mem0's `config.json` and our `telemetry/`."""

MEM0_TELEMETRY_EXPORTER = "MEM0_TELEMETRY_EXPORTER"
"""Destinations, comma-separated: `posthog`, `otlp`, `console`, or the name of an entry point; `none` is off.

Default: `otlp` if `MEM0_TELEMETRY_OTLP_ENDPOINT` is set, else `posthog`."""

MEM0_TELEMETRY_POSTHOG_API_KEY = "MEM0_TELEMETRY_POSTHOG_API_KEY"
"""Project key of the PostHog destination, default Mem0's public one."""

MEM0_TELEMETRY_POSTHOG_HOST = "MEM0_TELEMETRY_POSTHOG_HOST"
"""Host of the PostHog destination, default PostHog's US cloud."""

MEM0_TELEMETRY_OTLP_ENDPOINT = "MEM0_TELEMETRY_OTLP_ENDPOINT"
"""Base URL of the OTLP destination; over HTTP, `/v1/logs` is appended if it is missing."""

MEM0_TELEMETRY_OTLP_HEADERS = "MEM0_TELEMETRY_OTLP_HEADERS"
"""Headers of the OTLP destination, as `key=value` pairs separated by commas."""

MEM0_TELEMETRY_OTLP_PROTOCOL = "MEM0_TELEMETRY_OTLP_PROTOCOL"
"""Protocol of the OTLP destination: `http/protobuf` (default) or `grpc`."""

MEM0_TELEMETRY_SAMPLE_RATE = "MEM0_TELEMETRY_SAMPLE_RATE"
"""Share of `Memory`'s hot events that is kept, from 0 to 1, default 0.1, as in Mem0."""

MEM0_TELEMETRY_EXIT_TIMEOUT = "MEM0_TELEMETRY_EXIT_TIMEOUT"
"""Seconds that exit may wait for the network, default 0.5; `0` does not wait at all."""

MEM0_TELEMETRY_DEBUG = "MEM0_TELEMETRY_DEBUG"
"""Any value except empty, `0` and `false` is a dry run: events are printed to stderr; nothing is sent or stored."""

PYTEST_VERSION = "PYTEST_VERSION"
"""Set by pytest for its whole run: telemetry is off unless `MEM0_TELEMETRY` explicitly switches it on."""

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
"""Variables of build services. If one has any value except empty, `0` and `false`, the events carry a label."""

_EXPLICITLY_ON = ("true", "1", "yes")
# The default and the largest value of each numeric variable; the smallest is 0.
_numbers = {MEM0_TELEMETRY_SAMPLE_RATE: (0.1, 1.0), MEM0_TELEMETRY_EXIT_TIMEOUT: (0.5, 86_400.0)}
_READ = frozenset(value for name, value in tuple(globals().items()) if name.isupper() and type(value) is str)
# The cutoff for `difflib`. All names share a long prefix, so a lower similarity does not mean a misspelling.
_NEAR = 0.9
_LIKE_A_SWITCH = ("MEM0_TELEM", "MEM0_DISABLE_TELEM")


def text(environ: Mapping[str, str], name: str) -> str:
    """Return the value of `name` without blanks and quotes around it (`docker run --env-file` keeps quotes)."""
    given = environ.get(name, "").strip()
    return given[1:-1].strip() if len(given) > 1 and given[0] == given[-1] and given[0] in "\"'" else given


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Return whether `name` has any value except empty, `0` and `false` (in any case)."""
    return environ.get(name, "").strip().lower() not in ("", "0", "false")


def is_explicitly_on(environ: Mapping[str, str]) -> bool:
    """Return whether `MEM0_TELEMETRY` is set to a value that keeps telemetry on; unset is not explicit."""
    return says_on(environ.get(MEM0_TELEMETRY, ""))


def says_on(value: object) -> bool:
    """Return whether `value` means on: `True`, or a string that keeps `MEM0_TELEMETRY` on."""
    return value is True or (type(value) is str and value.lower() in _EXPLICITLY_ON)


def unread(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that begin like a switch of Mem0's telemetry, in any case, but that nothing reads.

    A user sets such a variable on purpose, and it may be a misspelled opt-out (`MEM0_TELEMTRY=False`).
    """
    return sorted(name for name in environ if name.upper().startswith(_LIKE_A_SWITCH) and name not in _READ)


def problem_of_unread(names: list[str], *, stops_posthog: bool) -> str:
    """Return a text about the unread variables `names`: their effect, and similar names that may be meant."""
    meant = sorted({near for name in names for near in get_close_matches(name.upper(), _READ, 1, _NEAR)})
    if stops_posthog and not meant:
        meant = [f"{MEM0_TELEMETRY}=False, which switches telemetry off"]
    shown = ", ".join(ascii(name)[1:-1][:60] for name in names[:5])
    effect = "To be safe, nothing is sent to PostHog." if stops_posthog else "It is not read."
    remedy = f"Unset it, or use {' or '.join(meant)}" if meant else "Unset it"
    return f"{shown}: not a variable of mem0-telemetry or Mem0 (misspelled?). {effect} {remedy}"


def is_ci(environ: Mapping[str, str]) -> bool:
    """Return whether a build service runs this process. It only labels the events; it is never a switch."""
    return any(is_set(environ, name) for name in CI_VARIABLES)


def number(environ: Mapping[str, str], name: str) -> float:
    """Return the number in the variable `name`, or its default if the value cannot be used."""
    found = _usable_number(environ, name)
    return _numbers[name][0] if found is None else found


def unusable_numbers(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each numeric variable whose value cannot be used."""
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

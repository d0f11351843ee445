# SPDX-License-Identifier: Apache-2.0
"""Consent: telemetry is on only if no source says off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mem0_telemetry import environment_variables as names
from mem0_telemetry.policy.state_file import State

STORED = "state.json"
"""The source name of the stored choice."""

DESTINATION = "destination"
"""The source name of a missing destination."""

DEFAULT = "default"
"""The source name if nothing is set."""

_NO_CHOICE = State()


class Consent(NamedTuple):
    """The decision whether usage may be recorded, and its source."""

    enabled: bool
    """True only if no source says off."""
    source: str
    """The source that decided: the name of a variable, or `set_enabled`, `state.json`, `destination`, `default`; if a
    process turns telemetry off later, `notice` or `opentelemetry-sdk`."""
    reason: str
    """The reason, in words that a user understands."""
    also: tuple[tuple[str, str], ...] = ()
    """The other sources that say off, each with its reason."""


def decide(
    environ: Mapping[str, str],
    *,
    flag: bool = True,
    state: State = _NO_CHOICE,
    destination_problem: str | None = None,
) -> Consent:
    """Decide whether usage may be recorded. Pure: reads its arguments only, and never raises.

    Args:
        environ: the environment.
        flag: False if the running program switched telemetry off.
        state: the stored state. While it is temporarily unreadable, it does not say off.
        destination_problem: why there is no destination, in words; None if there is one.
    """
    off = tuple(_what_says_off(environ, flag=flag, state=state, destination_problem=destination_problem))
    if off:
        source, reason = off[0]
        return Consent(enabled=False, source=source, reason=reason, also=off[1:])
    if names.is_explicitly_on(environ):
        reason = _setting(environ, names.MEM0_TELEMETRY)
        return Consent(enabled=True, source=names.MEM0_TELEMETRY, reason=reason)
    return Consent(enabled=True, source=DEFAULT, reason="nothing says off")


def _what_says_off(
    environ: Mapping[str, str], *, flag: bool, state: State, destination_problem: str | None
) -> Iterator[tuple[str, str]]:
    explicitly_on = names.is_explicitly_on(environ)
    if not flag:
        yield "set_enabled", "switched off by the running program"
    if names.text(environ, names.SDK_DISABLED).lower() == "true":
        yield names.SDK_DISABLED, _setting(environ, names.SDK_DISABLED)
    if names.MEM0_TELEMETRY in environ and not explicitly_on:
        yield names.MEM0_TELEMETRY, _setting(environ, names.MEM0_TELEMETRY)
    if names.is_set(environ, names.DO_NOT_TRACK):
        yield names.DO_NOT_TRACK, _setting(environ, names.DO_NOT_TRACK)
    if state.disabled:
        yield STORED, "switched off by `mem0-telemetry disable`"
    elif state.readable is False:
        yield (
            STORED,
            "it cannot be read, and may contain `disable`; `mem0-telemetry enable` writes a new one, if it can",
        )
    for name in (names.PYTEST_VERSION, names.PYTEST_CURRENT_TEST):
        if environ.get(name) and not explicitly_on:
            yield name, "off under pytest; MEM0_TELEMETRY=true switches it on"
            break
    if destination_problem is not None:
        yield DESTINATION, destination_problem


def _setting(environ: Mapping[str, str], name: str) -> str:
    """Return the setting in words. Hide a value that is not a known switch value: it may be a misplaced secret."""
    if names.text(environ, name).lower() in (*_YES, *_NO):
        return f"{name}={environ[name]!r}"
    return f"{name}=(a value that is not shown)"


_YES = ("1", "true", "yes", "on", "t", "y")
_NO = ("", "0", "false", "no", "off", "f", "n", "none", "null", "disabled")

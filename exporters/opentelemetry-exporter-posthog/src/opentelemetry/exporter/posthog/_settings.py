# SPDX-License-Identifier: Apache-2.0
"""Read settings: from the argument, else the variable, else the default. Warn once of each invalid value."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from opentelemetry.exporter.posthog import environment_variables
from opentelemetry.exporter.posthog._check import unquoted
from opentelemetry.exporter.posthog._identity import process_distinct_id
from opentelemetry.exporter.posthog._warnings import warn_once
from opentelemetry.exporter.posthog.environment_variables import (
    OTEL_EXPORTER_POSTHOG_API_KEY,
    OTEL_EXPORTER_POSTHOG_GROUPS,
    OTEL_EXPORTER_POSTHOG_HOST,
    OTEL_EXPORTER_POSTHOG_SPANS,
    POSTHOG_API_KEY,
    POSTHOG_HOST,
)

_VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    "api_key": (OTEL_EXPORTER_POSTHOG_API_KEY, POSTHOG_API_KEY),
    "host": (OTEL_EXPORTER_POSTHOG_HOST, POSTHOG_HOST),
    "group_attributes": (OTEL_EXPORTER_POSTHOG_GROUPS,),
    "filter": (OTEL_EXPORTER_POSTHOG_SPANS,),
}
"""The variables of some settings, in order. Any other setting reads OTEL_EXPORTER_POSTHOG_ and its name in capitals."""
DEFAULT_DISTINCT_ID_ATTRIBUTES: Final = ("posthog.distinct_id", "user.id", "app.installation.id")
"""The attributes that may hold the `distinct_id`; the first with a usable value counts."""
_DEFAULT_TIMEOUT: Final = 10.0
_LONGEST_TIMEOUT: Final = 3600.0
_PROJECT_KEY: Final = re.compile(r"phc_[A-Za-z0-9_-]{1,60}")
_ENDPOINT: Final = re.compile(r"/(?:batch|capture|e|i/v0/e)/*$")
_CLOUD: Final = frozenset(
    {"app.posthog.com", "eu.posthog.com", "us.posthog.com", "eu.i.posthog.com", "us.i.posthog.com"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOptions:
    """How records become events. `PostHogLogExporter` documents the arguments with these names."""

    event_names: Mapping[str, str] = field(default_factory=dict)
    property_names: Mapping[str, str] = field(default_factory=dict)
    distinct_id_attributes: Sequence[str] = DEFAULT_DISTINCT_ID_ATTRIBUTES
    baggage_keys: Sequence[str] = ()
    fallback_distinct_id: str = field(default_factory=process_distinct_id)
    """The `distinct_id` of an event without an id of its own, a session or a trace."""
    group_attributes: Mapping[str, str] = field(default_factory=dict)
    person_profiles: bool = False
    geoip: bool = False
    ip: bool = False
    trace_context: bool = False
    conventions: bool = True
    exceptions: bool = False
    redact: bool = True
    events: Sequence[str] = ()
    before_send: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None

    def __post_init__(self) -> None:
        """Treat a string as one name, not as a sequence of characters."""
        for name in ("distinct_id_attributes", "baggage_keys", "events"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, (value,))


class Config(NamedTuple):
    """Where the exporter sends events, and for how long it tries."""

    api_key: str | None
    """None if the exporter sends nothing."""
    host: str
    """Empty for PostHog's own default."""
    timeout: float
    """Seconds for one export, with all attempts."""


def config(*, api_key: object, host: object, timeout: object) -> Config:
    """Return the configuration from arguments, else from variables. Never raises."""
    key = _read("api_key", api_key, _KEY, unset="")
    if key == "":
        warn_once(
            f"No PostHog API key, so nothing is exported to PostHog: set {OTEL_EXPORTER_POSTHOG_API_KEY} "
            f"(or {POSTHOG_API_KEY}) to the project's API key, which begins with 'phc_'."
        )
    address = _read("host", host, _HOST, unset="") if key else ""
    return Config(
        api_key=None if address is None else key or None,
        host=address or "",
        timeout=_read("timeout", timeout, _SECONDS) or _DEFAULT_TIMEOUT,
    )


def mapping_options(given: Mapping[str, object]) -> MappingOptions:
    """Return the mapping options from arguments, else from variables. Never raises."""
    defaults = MappingOptions()
    options: dict[str, Any] = {}
    for name in MappingOptions.__dataclass_fields__:
        default = getattr(defaults, name)
        kind = _flag(default=default) if isinstance(default, bool) else _KINDS.get(type(default))
        found = _read(name, given.get(name), kind) if kind else None
        if found is not None:
            options[name] = found
    before_send = given.get("before_send")
    if before_send is not None and not callable(before_send):
        warn_once("The argument 'before_send' is not a callable, so no event is sent: correct it.")
        before_send = _drop
    return MappingOptions(**options, before_send=before_send)


def flag(name: str, given: object, *, default: bool) -> bool:
    """Return the switch `name`."""
    found = _read(name, given, _flag(default=default))
    return default if found is None else found


def source_and_value(name: str, given: object) -> tuple[str, Any]:
    """Return the name of a setting's source and the setting's value, or None as the value if it is not set.

    Blanks and quotes around a string are removed, because `docker run --env-file` keeps them.
    """
    if given is not None:
        return f"The argument {name!r}", unquoted(given) if isinstance(given, str) else given
    variables = _VARIABLES.get(name, (f"OTEL_EXPORTER_POSTHOG_{name.upper()}",))
    for variable in variables:
        if value := unquoted(os.environ.get(variable, "")):
            return variable, value
    return variables[0], None


def warn_of_unknown(arguments: Iterable[str]) -> None:
    """Warn of unknown arguments (mostly keys of a configuration file) and unknown variables."""
    for name in arguments:
        warn_once(
            f"The PostHog exporter has no setting {name!r}, so it is ignored: "
            "check its name against the exporter's README."
        )
    known = environment_variables.__all__
    for name, value in os.environ.items():
        if name.startswith("OTEL_EXPORTER_POSTHOG_") and name not in known and unquoted(value):
            nearest = "".join(f" The nearest name is {one}." for one in get_close_matches(name, known, n=1))
            warn_once(f"The PostHog exporter does not read {name}, so it is ignored.{nearest}")


class _Kind(NamedTuple):
    """How to read settings of one kind."""

    read: Callable[[Any], Any]
    """Returns None or raises for an invalid value."""
    problem: str
    """Follows "<setting> is" in the warning about an invalid value."""
    consequence: str = "The default is used."


def _read(name: str, given: object, kind: _Kind, *, unset: Any = None) -> Any:
    """Return a setting, `unset` if it is not set or blank, or None if it is invalid."""
    source, value = source_and_value(name, given)
    if value is None or (isinstance(value, str) and not value):
        return unset
    with suppress(Exception):  # the application's own iterable or mapping may raise
        found = kind.read(value)
        if found is not None:
            return found
    warn_once(f"{source} is {kind.problem}. {kind.consequence}")
    return None


def _drop(_: object) -> None:
    """Drop every event: the application wants to check each one, but its `before_send` cannot be called."""


def _as_key(value: str) -> str | None:
    return value if _PROJECT_KEY.fullmatch(value) else None


def _as_host(value: str) -> str | None:
    """Return the base URL that `value` means, or None if it is invalid; warn if `value` should be corrected."""
    url = urlsplit(value)
    name = (url.hostname or "").rstrip(".")
    if (
        url.scheme not in {"http", "https"}
        or not name
        or url.port == 0
        or url.username is not None  # no request would contain it; the refusal would look like a wrong key
        or url.query
        or url.fragment
        or not value.isprintable()
        or " " in value
    ):
        return None
    written = value.rstrip("/")
    bare = _ENDPOINT.sub("", written)
    setting = f"{OTEL_EXPORTER_POSTHOG_HOST} (or the argument 'host')"
    if name in _CLOUD:
        if url.scheme != "https" or url.port not in {None, 443} or urlsplit(bare).path:
            warn_once(
                f"{setting} is taken for 'https://{name}': PostHog Cloud answers there only. Correct it."
            )
        return f"https://{name}"
    if bare != written:
        warn_once(f"{setting} ends in the path of an endpoint, which the exporter adds itself: remove it.")
    return bare


def _as_seconds(value: Any) -> float | None:
    seconds = float(value)
    return min(seconds, _LONGEST_TIMEOUT) if seconds > 0 else None


def _as_flag(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return bool(value) if isinstance(value, int) else None


def _as_texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, Iterable) or isinstance(value, (bytes, Mapping)):
        return None
    found = tuple(value)
    return found if all(isinstance(one, str) for one in found) else None


def _as_map(value: object) -> dict[str, str] | None:
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        is_map = all(separator for _, separator, _ in pairs)
        return {key.strip(): text.strip() for key, _, text in pairs} if is_map else None
    if not isinstance(value, Mapping):
        return None
    found = dict(value)
    return found if all(isinstance(one, str) for pair in found.items() for one in pair) else None


_KEY: Final = _Kind(
    _as_key,
    "not a project API key ('phc_' and letters, digits, '_', '-'; a personal key, 'phx_...', is never sent)",
    "Nothing is exported to PostHog.",
)
_HOST: Final = _Kind(
    _as_host,
    "no usable URL (such as 'https://eu.i.posthog.com', without a user name, a password or a query)",
    "Nothing is exported to PostHog.",
)
_SECONDS: Final = _Kind(_as_seconds, "not a number of seconds above 0", "The default, 10 s, is used.")
_KINDS: Final[dict[type, _Kind]] = {
    tuple: _Kind(_as_texts, "neither a list of texts nor a comma-separated list"),
    dict: _Kind(_as_map, "neither a mapping of texts nor a comma-separated list of key=value"),
}
"""How to read the mapping options that are not switches, by the type of their default."""


def _flag(*, default: bool) -> _Kind:
    return _Kind(_as_flag, "neither 'true' nor 'false'", f"The default, {str(default).lower()}, is used.")

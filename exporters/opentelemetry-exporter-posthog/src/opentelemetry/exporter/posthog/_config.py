"""Argument, then environment, then default."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.posthog._host import as_meant
from opentelemetry.exporter.posthog._notice import debug_once, warn_once
from opentelemetry.exporter.posthog.environment_variables import (
    OTEL_EXPORTER_POSTHOG_API_KEY,
    OTEL_EXPORTER_POSTHOG_HOST,
    OTEL_EXPORTER_POSTHOG_TIMEOUT,
    POSTHOG_API_KEY,
    POSTHOG_HOST,
)

_DEFAULT_TIMEOUT: Final = 10.0
_LONGEST_TIMEOUT: Final = 3600.0
_LONGEST_KEY: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where events go."""

    api_key: str | None
    """None: nowhere; the exporter is inert."""
    host: str
    """As configured; empty is PostHog's own default."""
    timeout: float
    """Seconds for one export."""


def resolve(*, api_key: str | None, host: str | None, timeout: float | None) -> Config:
    """Read what is not given from the environment. Never raises: what is unusable is said once."""
    key = _resolve_api_key(api_key)
    address = _resolve_host(host) if key else ""
    return Config(
        api_key=key if address is not None else None,
        host=address or "",
        timeout=_resolve_timeout(timeout),
    )


def _resolve_api_key(given: str | None) -> str | None:
    source, key = _first(given, "api_key", OTEL_EXPORTER_POSTHOG_API_KEY, POSTHOG_API_KEY)
    if not key:
        warn_once(
            f"No PostHog API key, so nothing is exported to PostHog: set {OTEL_EXPORTER_POSTHOG_API_KEY} "
            f"(or {POSTHOG_API_KEY}) to the project's API key, which begins with 'phc_'."
        )
        return None
    if key.startswith("phx_"):
        warn_once(
            f"{source} is a personal API key ('phx_...'), so nothing is exported to PostHog: these are "
            "secrets and cannot send events. Use the project's API key, which begins with 'phc_'."
        )
        return None
    if len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable():
        warn_once(
            f"{source} is no PostHog API key, so nothing is exported to PostHog: a key has at most "
            f"{_LONGEST_KEY} printable ASCII characters. Copy it from the project's settings."
        )
        return None
    return key


def _resolve_host(given: str | None) -> str | None:
    """Return the host, empty for the default, None where it is unusable."""
    source, host = _first(given, "host", OTEL_EXPORTER_POSTHOG_HOST, POSTHOG_HOST)
    if not host or _is_url(host):
        return host and as_meant(host, source)
    warn_once(
        f"{source} is no usable URL, so nothing is exported to PostHog: "
        "use one such as 'https://eu.i.posthog.com'."
    )
    return None


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    return (
        url.scheme in {"http", "https"}
        and bool(url.hostname)
        and port != 0
        and not (url.query or url.fragment)
    ) and not any(character.isspace() for character in text)


def _resolve_timeout(given: float | None) -> float:
    if given is None:
        text = _environment(OTEL_EXPORTER_POSTHOG_TIMEOUT)
        if not text:
            return _DEFAULT_TIMEOUT
        try:
            given = float(text)
        except ValueError:
            given = math.nan
    if not given > 0:
        debug_once(f"unusable timeout, {_DEFAULT_TIMEOUT:g} s instead (see {OTEL_EXPORTER_POSTHOG_TIMEOUT})")
        return _DEFAULT_TIMEOUT
    return min(float(given), _LONGEST_TIMEOUT)


def _first(given: str | None, argument: str, *variables: str) -> tuple[str, str]:
    """Return where the value comes from, and the value."""
    if given is not None:
        return f"The argument {argument!r}", given.strip()
    for variable in variables:
        if value := _environment(variable):
            return variable, value
    return argument, ""


def _environment(variable: str) -> str:
    return os.environ.get(variable, "").strip()

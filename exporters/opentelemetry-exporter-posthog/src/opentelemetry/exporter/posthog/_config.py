"""Argument, then environment, then default."""

from __future__ import annotations

import math
import os
import re
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
_PROJECT_KEY: Final = re.compile(r"phc_[A-Za-z0-9_-]*")
_UNUSABLE: Final = "\0"
"""For what is no text: neither a key nor a URL, and not unset."""


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
    if len(key) > _LONGEST_KEY or not _PROJECT_KEY.fullmatch(key):
        warn_once(
            f"{source} is no project API key, so nothing is exported to PostHog: one begins with 'phc_' and has "
            "letters, digits, '_' and '-' only. A personal key ('phx_...') is a secret and is never sent. "
            "Copy the project's from its settings."
        )
        return None
    return key


def _resolve_host(given: str | None) -> str | None:
    """Return the host, empty for the default, None where it is unusable."""
    source, host = _first(given, "host", OTEL_EXPORTER_POSTHOG_HOST, POSTHOG_HOST)
    if not host or _is_url(host):
        return host and as_meant(host, source)
    warn_once(
        f"{source} is no usable URL, so nothing is exported to PostHog: use one such as "
        "'https://eu.i.posthog.com', without a user name, a password or a query."
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
        and url.username is None  # it would be left out of each request, and the refusal blamed on the key
        and not (url.query or url.fragment)
    ) and (text.isprintable() and " " not in text)


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
    """Return where the value comes from, and the value, without blanks and quotes around it."""
    if given is not None:
        return f"The argument {argument!r}", _unquoted(given) if isinstance(given, str) else _UNUSABLE
    for variable in variables:
        if value := _environment(variable):
            return variable, value
    return argument, ""


def _environment(variable: str) -> str:
    return _unquoted(os.environ.get(variable, ""))


def _unquoted(text: str) -> str:
    """Return `text` without blanks and one pair of quotes around it: `docker run --env-file` keeps them."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text

"""Read where events go: the argument, else the environment, else the default."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.exporter.posthog._notice import logger, warn_once
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
_ENDPOINT: Final = re.compile(r"/(?:batch|capture|e|i/v0/e)/*$")
_CLOUD: Final = frozenset(
    {"app.posthog.com", "eu.posthog.com", "us.posthog.com", "eu.i.posthog.com", "us.i.posthog.com"}
)
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


def resolve(*, api_key: str | None, host: str | None, timeout: object) -> Config:
    """Read what is not given from the environment. Never raises: it warns once of what is unusable."""
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
        return host and _as_meant(host, source)
    warn_once(
        f"{source} is no usable URL, so nothing is exported to PostHog: use one such as "
        "'https://eu.i.posthog.com', without a user name, a password or a query."
    )
    return None


def _as_meant(host: str, source: str) -> str:
    """Return the usable URL `host` as it was meant, and warn where that is not what was written.

    Args:
        host: a URL.
        source: the argument or variable it comes from.
    """
    bare = _ENDPOINT.sub("", host.rstrip("/"))
    url = urlsplit(bare)
    name = (url.hostname or "").rstrip(".")
    if name in _CLOUD:
        if url.scheme != "https" or url.port not in {None, 443} or url.username or url.path:
            warn_once(
                f"{source} is taken for 'https://{name}': PostHog Cloud answers there only. Correct it."
            )
        return f"https://{name}"
    if bare != host.rstrip("/"):
        warn_once(f"{source} ends in the path of an endpoint, which the exporter adds itself: remove it.")
    return bare


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


def _resolve_timeout(given: Any) -> float:
    try:
        seconds = float(
            _environment(OTEL_EXPORTER_POSTHOG_TIMEOUT) or _DEFAULT_TIMEOUT if given is None else given
        )
    except Exception:  # noqa: BLE001  # code of the application's own objects
        seconds = math.nan
        if given is not None:
            warn_once("The argument 'timeout' is not a number, so the default is used: correct it.")
    if seconds > 0:
        return min(seconds, _LONGEST_TIMEOUT)
    logger.debug("unusable timeout, %g s instead (see %s)", _DEFAULT_TIMEOUT, OTEL_EXPORTER_POSTHOG_TIMEOUT)
    return _DEFAULT_TIMEOUT


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

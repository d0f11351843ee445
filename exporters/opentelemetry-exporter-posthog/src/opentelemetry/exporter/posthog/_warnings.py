# SPDX-License-Identifier: Apache-2.0
"""The exporter's logger, and its warnings: once in a process, with cause, variable and remedy, never with a key."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from opentelemetry.exporter.posthog.environment_variables import (
    OTEL_EXPORTER_POSTHOG_API_KEY,
    OTEL_EXPORTER_POSTHOG_EVENTS,
    OTEL_EXPORTER_POSTHOG_HOST,
    OTEL_EXPORTER_POSTHOG_SPANS,
    OTEL_EXPORTER_POSTHOG_TIMEOUT,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

logger: Final = logging.getLogger("opentelemetry.exporter.posthog")

_given: set[str] = set()
_CHECK_HOST: Final = f"check {OTEL_EXPORTER_POSTHOG_HOST} (or the argument 'host')"
_REFUSALS: Final = {
    101: ("gives no HTTP answer to a POST", f"{_CHECK_HOST}: something else listens there"),
    400: (
        "cannot read them",
        f"look at them with `python -m opentelemetry.exporter.posthog.testing`; if a proxy answers, {_CHECK_HOST}",
    ),
    401: (
        "refuses the API key",
        f"check {OTEL_EXPORTER_POSTHOG_API_KEY} (or the argument 'api_key') and the host by the project's settings",
    ),
    403: ("forbids them", f"{_CHECK_HOST}, and what a proxy or a firewall before it allows"),
    404: ("has nothing at /batch/", f"{_CHECK_HOST}: it is PostHog's ingestion host, without a path"),
    405: ("takes no POST at /batch/", f"{_CHECK_HOST}: it is PostHog's ingestion host, not a web site"),
    413: (
        "finds one event too long",
        f"send less in an event; {_CHECK_HOST}, and the limit of a proxy before it",
    ),
}
"""For each HTTP status, what the server does with the events, and the remedy."""
_DROPPING_SETTINGS: Final = {
    "filtered": f"{OTEL_EXPORTER_POSTHOG_EVENTS} or {OTEL_EXPORTER_POSTHOG_SPANS} (or 'events', 'filter' in code)",
    "before_send": "'before_send'",
}
"""Settings that drop records on purpose, by the reason that is counted."""
_MANY: Final = 1000
"""If an exporter kept none of so many records, a setting is probably wrong."""
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_REASONS: Final = {401: "unauthorized", 413: "too_large"}


def debug(message: str, *args: object) -> None:
    """Log at DEBUG. Never raises, even if a handler or filter of the application does."""
    with suppress(Exception):
        logger.debug(message, *args, stacklevel=2)


def warn_once(message: str, *, cause: str = "") -> None:
    """Log a problem and its remedy at WARNING, once in a process. Like `debug`, never raises.

    Args:
        message: full sentences, without an API key.
        cause: identifies the problem to warn of once; by default the message itself.
    """
    if (cause or message) not in _given and logger.isEnabledFor(logging.WARNING):
        with suppress(Exception):
            _warn(message, cause or message)


def _warn(message: str, cause: str) -> None:
    record = logger.makeRecord(logger.name, logging.WARNING, __file__, 0, message, (), None)
    found: object = logger.filter(record)
    if not found:  # perhaps for this thread only: do not count the warning as given
        return
    if isinstance(found, logging.LogRecord):  # since Python 3.12, a filter may return another record
        record = found
    _given.add(cause)
    logger.callHandlers(record)
    last = logging.lastResort
    if last and record.levelno >= last.level and _only_telemetry_listens():
        last.handle(record)


def _only_telemetry_listens() -> bool:
    """Return whether only handlers of OpenTelemetry receive the exporter's warnings.

    Such handlers lead back to the failing exporter, and because of them Python does not print the warning itself.
    """
    handlers: list[logging.Handler] = []
    current: logging.Logger | None = logger
    while current:
        handlers += current.handlers
        current = current.parent if current.propagate else None
    return bool(handlers) and all(type(one).__module__.startswith("opentelemetry.") for one in handlers)


def warn_of_refusal(status: int, url: str, location: str) -> str:
    """Warn that the server at `url` permanently refuses events; return the drop reason to count."""
    what, remedy = _REFUSALS.get(status, ("refuses them", _CHECK_HOST))
    reason = _REASONS.get(status, "rejected")
    if 300 <= status < 400:  # noqa: PLR2004  # redirects
        target = _origin_of(url, location)
        what = (
            f"redirects to {'another place of the same host' if target in {'', _origin_of(url)} else target}"
        )
        remedy = f"{_CHECK_HOST}: name the host that takes events itself, with https"
        reason = "redirected"
    warn_once(
        f"Events are lost: {_origin_of(url)} {what} (HTTP {status}). Remedy: {remedy}.",
        cause=f"HTTP {status}",
    )
    return reason


def warn_of_failure(failure: str, url: str) -> None:
    """Warn that a batch was given up: no attempt succeeded in time, or no attempt was possible."""
    warn_once(
        f"Events are lost: {_origin_of(url)} took none ({failure}). Remedy: {_CHECK_HOST}, proxies, a 'session' "
        f"and the network; if these are slow, {OTEL_EXPORTER_POSTHOG_TIMEOUT} (or the argument 'timeout') gives an "
        "export more time.",
        cause="given up",
    )


def warn_if_all_dropped(dropped: Mapping[str, int]) -> None:
    """Warn of settings that drop every record; `dropped` is from an exporter that has kept no record so far."""
    for reason, settings in _DROPPING_SETTINGS.items():
        if dropped.get(reason, 0) >= _MANY:
            warn_once(
                f"Nothing is exported to PostHog: {settings} kept none of the first {dropped[reason]} records. "
                "If they should be sent, correct it.",
                cause=reason,
            )


def _origin_of(url: str, location: str = "") -> str:
    """Return scheme, host and port of `location`, resolved against `url`, without secrets; empty without a host."""
    try:
        scheme, host, *_ = urlsplit(urljoin(url, location))
    except ValueError:
        return ""
    host = host.rpartition("@")[2].lower().removesuffix(_DEFAULT_PORTS.get(scheme, ":"))
    return f"{scheme}://{host}" if host else ""

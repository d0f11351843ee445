"""Warn once of each cause by which events are lost: cause, variable, remedy, and never a key."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.posthog._notice import warn_once
from opentelemetry.exporter.posthog.environment_variables import (
    OTEL_EXPORTER_POSTHOG_API_KEY,
    OTEL_EXPORTER_POSTHOG_HOST,
    OTEL_EXPORTER_POSTHOG_TIMEOUT,
)

_HOST: Final = f"check {OTEL_EXPORTER_POSTHOG_HOST} (or the argument 'host')"
_REMEDIES: Final = {
    400: (
        "cannot read them",
        (
            "look at them with `python -m opentelemetry.exporter.posthog.testing`; a proxy's answer means that "
            f"{OTEL_EXPORTER_POSTHOG_HOST} (or the argument 'host') is not PostHog"
        ),
    ),
    401: (
        "refuses the API key",
        (
            f"check {OTEL_EXPORTER_POSTHOG_API_KEY} (or the argument 'api_key') against the project's settings, and "
            "the host against its region"
        ),
    ),
    403: ("forbids them", f"{_HOST}, and what a proxy or a firewall before it allows"),
    404: ("has nothing at /batch/", f"{_HOST}: it is PostHog's ingestion host, without a path"),
    405: ("takes no POST at /batch/", f"{_HOST}: it is PostHog's ingestion host, not a web site"),
}


def warn_of_refusal(status: int, url: str, location: str | None) -> str:
    """Warn that a server refuses events for good; return the reason by which they are counted.

    Args:
        status: its answer.
        url: where they were sent.
        location: where it points to instead, if it does.
    """
    host = _host_of(url)
    if status < 400:  # noqa: PLR2004  # HTTP's own line
        target = _host_of(location or "") or "another place of the same host"
        what, remedy = (
            f"redirects to {target}",
            f"{_HOST}: name the host that takes events itself, with https",
        )
    else:
        what, remedy = _REMEDIES.get(status, ("refuses them", _HOST))
    warn_once(f"Events are lost: {host} {what} (HTTP {status}). Remedy: {remedy}.", cause=f"HTTP {status}")
    return "redirected" if status < 400 else "unauthorized" if status == 401 else "rejected"  # noqa: PLR2004


def warn_of_silence(failure: str, url: str) -> None:
    """Warn that a batch was given up because the server did not take it in time."""
    warn_once(
        f"Events are lost: {_host_of(url)} took none within the timeout ({failure}). Remedy: {_HOST} and the network; "
        f"{OTEL_EXPORTER_POSTHOG_TIMEOUT} (or the argument 'timeout') gives an export more time.",
        cause="given up",
    )


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""

"""The host as it was meant: PostHog Cloud's by one spelling, and no path that is added anyway."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.posthog._notice import warn_once

_ENDPOINT: Final = re.compile(r"/(?:batch|capture|e|i/v0/e)/*$")
_CLOUD: Final = frozenset(
    {"app.posthog.com", "eu.posthog.com", "us.posthog.com", "eu.i.posthog.com", "us.i.posthog.com"}
)


def as_meant(host: str, source: str) -> str:
    """Return the usable URL `host` as it was meant, and say where that is not what was written.

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

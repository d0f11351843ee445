"""One request to PostHog. Loads `posthog` and `requests`, so it is itself loaded by the first export only."""

from __future__ import annotations

import math
import zlib
from contextlib import closing
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import requests

from opentelemetry.exporter.posthog._session import build_session, seconds_left, within
from opentelemetry.exporter.posthog._version import __version__
from posthog.request import APIError, determine_server_host

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["APIError", "HTTPClient"]

_PATH: Final = "/batch/"
_GZIP_LEVEL: Final = 3
"""A third of the CPU of level 9 for bodies 12 % larger (docs/decisions/posthog-transport.md)."""
_MAX_ANSWER_BYTES: Final = 64 * 1024
_LONGEST_RETRY_AFTER: Final = 24 * 3600.0
_OK: Final = range(200, 300)


class HTTPClient:
    """Posts bodies to one PostHog instance. As thread-safe as `requests.Session` is.

    Args:
        host: as configured; app hosts are mapped to their ingestion hosts.
        session: the caller's, else one of our own is built.
    """

    def __init__(self, *, host: str, session: requests.Session | None) -> None:
        self.url = determine_server_host(host).rstrip("/") + _PATH
        self._session = build_session(self.url) if session is None else session
        self._is_ours = session is None

    def post(self, body: bytes, *, deadline: float) -> None:
        """Send `body`, compressed; return when PostHog answered that it has it.

        Args:
            body: JSON.
            deadline: by `time.monotonic()`; the whole exchange ends by then.

        Raises:
            APIError: the server answered otherwise.
            requests.RequestException: no answer.
        """
        with within(deadline):
            response = self._session.post(
                self.url,
                data=_gzip(body),
                headers={
                    "Content-Type": "application/json",
                    "Content-Encoding": "gzip",
                    "User-Agent": f"opentelemetry-exporter-posthog/{__version__}",
                    # The default tells which decoders are installed.
                    "Accept-Encoding": "identity",
                },
                timeout=max(seconds_left(deadline), 0.001),
                allow_redirects=False,
                stream=True,
            )
            with closing(response):
                status = response.status_code
                text = _text_of(response)
        if status not in _OK:
            error = APIError(status, text, retry_after=_retry_after(response.headers))
            error.location = response.headers.get("Location")  # type: ignore[attr-defined]  # for a redirect
            raise error

    def close(self) -> None:
        """Close idle connections; those of the caller's session stay."""
        if self._is_ours:
            self._session.close()


def _gzip(body: bytes) -> bytes:
    """Compress in one go: each call of zlib gives the interpreter away, and may wait for it to come back."""
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def _text_of(response: requests.Response) -> str:
    """Read the answer to its end, so that the connection can be used again; it is not needed."""
    content = b""
    try:
        for chunk in response.iter_content(8192):
            content += chunk
            if len(content) > _MAX_ANSWER_BYTES:
                break
    except (requests.RequestException, OSError):
        pass
    return content.decode(errors="replace")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the server asks to wait for, as it gives them or until the date it gives."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
        date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
        seconds = (date - datetime.now(timezone.utc)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None

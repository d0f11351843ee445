"""One request to PostHog. Loads `posthog` and `requests`, so it is itself loaded by the first export only."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.posthog._session import build_session, post
from opentelemetry.exporter.posthog._version import __version__
from posthog.request import APIError, determine_server_host

if TYPE_CHECKING:
    import requests

__all__ = ["APIError", "HTTPClient"]

_PATH: Final = "/batch/"
_GZIP_LEVEL: Final = 3
"""A third of the CPU of level 9 for bodies 12 % larger (docs/decisions/posthog-transport.md)."""
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
        answer = post(
            self._session,
            self.url,
            _gzip(body),
            {
                "Content-Type": "application/json",
                "Content-Encoding": "gzip",
                "User-Agent": f"opentelemetry-exporter-posthog/{__version__}",
                # The default tells which decoders are installed.
                "Accept-Encoding": "identity",
            },
            deadline=deadline,
        )
        if answer.status not in _OK:
            text = answer.content.decode(errors="replace")
            error = APIError(answer.status, text, retry_after=answer.retry_after)
            error.location = answer.headers.get("Location")  # type: ignore[attr-defined]  # for a redirect
            raise error

    def close(self) -> None:
        """Close idle connections; those of the caller's session stay."""
        if self._is_ours:
            self._session.close()


def _gzip(body: bytes) -> bytes:
    """Compress in one go: each call of zlib gives the interpreter away, and may wait for it to come back."""
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()

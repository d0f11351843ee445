# SPDX-License-Identifier: Apache-2.0
"""Send events to PostHog within a deadline: build batches, retry, split batches that are too large."""

from __future__ import annotations

import random
import zlib
from collections import deque
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

import requests

from opentelemetry.exporter.posthog._session import build_session, monotonic, post
from opentelemetry.exporter.posthog._version import __version__
from opentelemetry.exporter.posthog._warnings import debug, warn_of_failure, warn_of_refusal, warn_once
from opentelemetry.exporter.posthog.mapping import body
from posthog.request import determine_server_host

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from opentelemetry.exporter.posthog._settings import Config
    from opentelemetry.exporter.posthog._stats import Outcome

_MAX_BATCH_EVENTS: Final = 1000
_MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Before compression. PostHog accepts 20 MiB; its own client sends 5 MiB."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_OK: Final = range(200, 300)
_TOO_LARGE: Final = 413
_EXCERPT: Final = 200
_GZIP_LEVEL: Final = 3
"""A third of the CPU of level 9 for bodies 12 % larger (docs/decisions/posthog-transport.md)."""
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Content-Encoding": "gzip",
    "User-Agent": f"opentelemetry-exporter-posthog/{__version__}",
    "Accept-Encoding": "identity",  # the default would reveal the installed decoders
}


class _Reply(NamedTuple):
    """The result of one attempt."""

    status: int
    """The HTTP status; 0 if there was no answer."""
    failure: str
    """`HTTP` and the status, or the class name of the error."""
    retry_after: float | None = None
    location: str = ""

    @property
    def is_temporary(self) -> bool:
        """Return whether the same request could succeed later."""
        return self.status in {0, 408, 429} or self.status >= 500  # noqa: PLR2004  # server errors


class Sender:
    """Sends events, with a new session if `session` is None. Thread-safe if the session is.

    If `retry` is true, it retries temporary failures within the timeout. Setting `stopped` ends all waits and
    prevents further requests.
    """

    def __init__(
        self, *, config: Config, session: requests.Session | None, retry: bool, stopped: threading.Event
    ) -> None:
        self.url = determine_server_host(config.host).rstrip("/") + "/batch/"
        self._session = build_session(self.url) if session is None else session
        if not isinstance(self._session, requests.Session):
            warn_once(  # type: ignore[unreachable]  # not every application checks its types
                "The argument 'session' is no requests.Session, so events may be lost: correct it."
            )
        self._is_ours = session is None
        self._config = config
        self._retry = retry
        self._stopped = stopped

    def send(self, events: Sequence[bytes], outcome: Outcome) -> bool:
        """Send `events` and add the results to `outcome`; return False at the first batch that could succeed later."""
        deadline = monotonic() + self._config.timeout
        pending = deque(_batches(events))
        while pending:
            if self._stopped.is_set():
                outcome.failure = "shut down"
                return False
            batch = pending.popleft()
            reply = self._deliver(batch, deadline, outcome)
            if reply.status in _OK:
                outcome.counts["exported"] += len(batch)
            elif reply.is_temporary:
                outcome.failure, outcome.retry_after = reply.failure, reply.retry_after
                if self._retry and not self._stopped.is_set():
                    warn_of_failure(reply.failure, self.url)
                return False
            elif reply.status == _TOO_LARGE and len(batch) > 1:
                half = len(batch) // 2
                pending.extendleft((batch[half:], batch[:half]))
            else:
                reason = warn_of_refusal(reply.status, self.url, reply.location)
                outcome.dropped[reason] += len(batch)
                outcome.refusal = reply.failure
        return True

    def close(self) -> None:
        """Close idle connections, except those of the caller's session. Idempotent."""
        if self._is_ours:
            self._session.close()

    def _deliver(self, batch: Sequence[bytes], deadline: float, outcome: Outcome) -> _Reply:
        """Send one batch until PostHog accepts or refuses it or time runs out; return the last attempt's result."""
        attempt = 0
        while True:
            try:
                reply = self._attempt(batch, deadline)
            except Exception as error:  # noqa: BLE001  # from a wrong session or proxy: a retry would also fail
                return _Reply(0, type(error).__name__)
            if not (reply.is_temporary and self._retry and self._pause(attempt, reply.retry_after, deadline)):
                return reply
            attempt += 1
            outcome.counts["retried"] += len(batch)

    def _attempt(self, batch: Sequence[bytes], deadline: float) -> _Reply:
        """Compress and send one batch once."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        content = _gzip(body(batch, api_key=self._config.api_key or "", sent_at=now))
        try:
            answer = post(self._session, self.url, content, _HEADERS, deadline=deadline)
        except OSError as error:  # includes all errors of `requests`
            # The text of other errors may quote the proxy's URL, with its password.
            why = error if isinstance(error, requests.ConnectionError) else type(error).__name__
            debug("no answer from PostHog: %s", why)
            return _Reply(0, type(error).__name__)
        if answer.status not in _OK:
            text = answer.content.decode(errors="replace")
            debug("PostHog answered %d: %s", answer.status, text[:_EXCERPT])
        location = answer.headers.get("Location", "")
        return _Reply(answer.status, f"HTTP {answer.status}", answer.retry_after, location)

    def _pause(self, attempt: int, retry_after: float | None, deadline: float) -> bool:
        """Wait before the next attempt; return False if there is no time for one, or if the sender is stopped."""
        pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311  # jitter
        pause = max(pause, retry_after or 0.0)
        return monotonic() + pause < deadline and not self._stopped.wait(pause)


def _batches(events: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Split `events` into batches, limited by count and by size."""
    start = size = 0
    for end, event in enumerate(events):
        if end - start == _MAX_BATCH_EVENTS or (end > start and size + len(event) > _MAX_BATCH_BYTES):
            yield events[start:end]
            start, size = end, 0
        size += len(event)
    yield events[start:]


def _gzip(body: bytes) -> bytes:
    """Compress with few calls of zlib: each call releases the GIL and may block while reacquiring it."""
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()

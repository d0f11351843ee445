"""Events to PostHog within a deadline: batches, repetitions, splits."""

from __future__ import annotations

import random
import time
import zlib
from collections import deque
from datetime import datetime, timezone
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

import requests

from opentelemetry.exporter.posthog._body import body
from opentelemetry.exporter.posthog._notice import logger
from opentelemetry.exporter.posthog._refusals import warn_of_refusal
from opentelemetry.exporter.posthog._session import build_session, post
from opentelemetry.exporter.posthog._version import __version__
from posthog.request import APIError, determine_server_host

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from opentelemetry.exporter.posthog._config import Config
    from opentelemetry.exporter.posthog._stats import Tally

_MAX_BATCH_EVENTS: Final = 1000
_MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Before compression; PostHog takes 20 MiB, its own client sends 5."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_LATER: Final = frozenset({408, 429})
_EXCERPT: Final = 200
_OK: Final = range(200, 300)
_GZIP_LEVEL: Final = 3
"""A third of the CPU of level 9 for bodies 12 % larger (docs/decisions/posthog-transport.md)."""
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Content-Encoding": "gzip",
    "User-Agent": f"opentelemetry-exporter-posthog/{__version__}",
    "Accept-Encoding": "identity",  # the default tells which decoders are installed
}


class Result(NamedTuple):
    """How an export ended."""

    done: bool
    """False: some of it could succeed later."""
    retry_after: float | None
    """Seconds that the server asked to wait before that."""
    failure: str = ""
    """Why it was not done, in a few words: `HTTP 503`, or the class of what `requests` raised."""
    refusal: str = ""
    """Why PostHog will never take some of it, such as `HTTP 401`; empty where it took all."""


class _Verdict(Enum):
    DONE = auto()
    TOO_LARGE = auto()
    LATER = auto()


class Sender:
    """Sends events. Thread-safe as far as the session is.

    Args:
        config: where to, and how long.
        session: the caller's, or None.
        retry: repeat what fails within the deadline.
        stopped: set once nothing more is to be sent; ends waits.
        tally: counts.
    """

    def __init__(
        self,
        *,
        config: Config,
        session: requests.Session | None,
        retry: bool,
        stopped: threading.Event,
        tally: Tally,
    ) -> None:
        self.url = determine_server_host(config.host).rstrip("/") + "/batch/"
        self._session = build_session(self.url) if session is None else session
        self._is_ours = session is None
        self._api_key = config.api_key or ""
        self._timeout = config.timeout
        self._retry = retry
        self._stopped = stopped
        self._tally = tally

    def send(self, events: Sequence[bytes]) -> Result:
        """Send `events` in order; stop at the first that must wait for later."""
        deadline = time.monotonic() + self._timeout
        pending = deque(_batches(events))
        left = len(events)
        refusal = ""
        try:
            while pending:
                if self._stopped.is_set():
                    return Result(done=False, retry_after=None, failure="shut down")
                batch = pending.popleft()
                verdict, later = self._deliver(batch, deadline)
                if verdict is _Verdict.LATER:
                    return later
                if verdict is _Verdict.TOO_LARGE and len(batch) > 1:
                    half = len(batch) // 2
                    pending.extendleft((batch[half:], batch[:half]))
                    continue
                if verdict is _Verdict.TOO_LARGE:
                    self._tally.add(dropped={"too_large": 1})
                refusal = later.failure or refusal
                left -= len(batch)
        finally:
            if left:
                self._tally.add(failed=left)
        return Result(done=True, retry_after=None, refusal=refusal)

    def close(self) -> None:
        """Close idle connections; those of the caller's session stay. Idempotent."""
        if self._is_ours:
            self._session.close()

    def _deliver(self, batch: Sequence[bytes], deadline: float) -> tuple[_Verdict, Result]:
        """Send one batch until it is decided, or time is up; the result says how the last attempt failed."""
        attempt = 0
        while True:
            later = Result(done=False, retry_after=None)
            try:
                self._post(batch, deadline)
            except APIError as error:
                later = later._replace(retry_after=error.retry_after, failure=f"HTTP {int(error.status)}")
                verdict = self._judge(error, len(batch))
            except (requests.RequestException, OSError) as error:
                logger.debug("no answer from PostHog: %s", error)
                later = later._replace(failure=type(error).__name__)
                verdict = _Verdict.LATER
            else:
                self._tally.add(exported=len(batch))
                verdict = _Verdict.DONE
            if verdict is not _Verdict.LATER or not (
                self._retry and self._pause(attempt, later.retry_after, deadline)
            ):
                return verdict, later
            attempt += 1
            self._tally.add(retried=len(batch))

    def _post(self, batch: Sequence[bytes], deadline: float) -> None:
        """Send one batch, compressed; return when PostHog answered that it has it.

        Raises:
            APIError: the server answered otherwise.
            requests.RequestException: no answer by the deadline.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        content = _gzip(body(batch, api_key=self._api_key, sent_at=now))
        answer = post(self._session, self.url, content, _HEADERS, deadline=deadline)
        if answer.status not in _OK:
            text = answer.content.decode(errors="replace")
            error = APIError(answer.status, text, retry_after=answer.retry_after)
            error.location = answer.headers.get("Location")  # type: ignore[attr-defined]  # for a redirect
            raise error

    def _judge(self, error: APIError, events: int) -> _Verdict:
        status = int(error.status)
        logger.debug("PostHog answered %d: %s", status, error.message[:_EXCERPT])
        if status in _LATER or status >= 500:  # noqa: PLR2004  # HTTP's own line between whose fault it is
            return _Verdict.LATER
        if status == 413:  # noqa: PLR2004  # content too large
            return _Verdict.TOO_LARGE
        reason = warn_of_refusal(status, self.url, getattr(error, "location", None))
        self._tally.add(dropped={reason: events})
        return _Verdict.DONE

    def _pause(self, attempt: int, retry_after: float | None, deadline: float) -> bool:
        """Wait before the next attempt; False where there is no time for one, or no more are wanted."""
        pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311  # jitter
        pause = max(pause, retry_after or 0.0)
        return time.monotonic() + pause < deadline and not self._stopped.wait(pause)


def _batches(events: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut `events` by count and by size."""
    for first in range(0, len(events), _MAX_BATCH_EVENTS):
        batch = events[first : first + _MAX_BATCH_EVENTS]
        if sum(map(len, batch)) <= _MAX_BATCH_BYTES:
            yield batch
        else:
            yield from _cut_by_size(batch)


def _cut_by_size(events: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    start = size = 0
    for index, event in enumerate(events):
        if size and size + len(event) > _MAX_BATCH_BYTES:
            yield events[start:index]
            start, size = index, 0
        size += len(event)
    yield events[start:]


def _gzip(body: bytes) -> bytes:
    """Compress in one go: each call of zlib releases the GIL, and may wait to get it back."""
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()

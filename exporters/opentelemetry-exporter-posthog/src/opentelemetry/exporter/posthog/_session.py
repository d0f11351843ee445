# SPDX-License-Identifier: Apache-2.0
"""Send one HTTP request within one deadline, with our own headers only and without the application's credentials.

`requests` applies a timeout to each read of a socket, so a server that sends one byte now and then can hold a request
for ever. Here, connecting, sending and reading share one deadline. It does not cover the operating system's name
resolution. `mem0-telemetry` also sends OTLP with this module.
"""

from __future__ import annotations

import io
import math
import time
from contextlib import closing
from contextvars import ContextVar
from email.utils import mktime_tz, parsedate_tz
from functools import partial
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping

# Tools that freeze time in an application's tests replace `time.monotonic`, even in modules that imported it by name,
# and a deadline would never come. They do not replace the system call, nor a function inside a partial.
monotonic: Final = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    if hasattr(time, "clock_gettime")
    else partial(time.perf_counter)
)
"""Return seconds since some point of this boot. The value never decreases."""
_CONNECT_SECONDS: Final = 5.0
"""For one address of a host, so that its next address is also tried within the deadline."""
_MOST_CONNECTIONS: Final = 100
"""Kept for threads that export at the same time; `urllib3` warns of each connection above this number."""
_TOLERANCE_SECONDS: Final = 0.05
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""The limit that the OTLP specification recommends; PostHog's answers are short."""
_LONGEST_RETRY_AFTER: Final = 24 * 3600.0

_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "host", "proxy-authorization", "user-agent"}
)
"""The headers that a request may have in addition to those passed to `post`."""

_request: Final[ContextVar[tuple[float, frozenset[str]]]] = ContextVar("_request")
"""The deadline of the current request, and the lower-case names of all headers that it may have."""


class Answer(NamedTuple):
    """The answer of a server."""

    status: int
    headers: Mapping[str, str]
    """The names are case-insensitive."""
    content: bytes
    """The decoded body, as far as it arrived in time."""

    @property
    def is_too_long(self) -> bool:
        """Return whether the body was longer than a client should read. `post` did not read the rest."""
        return len(self.content) > _MAX_ANSWER_BYTES

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from the number or the date in `Retry-After`; None if it is absent or invalid."""
        text = self.headers.get("Retry-After", "")
        date = parsedate_tz(text)
        try:
            seconds = mktime_tz(date) - time.time() if date else float(text)
        except (ValueError, OverflowError):
            return None
        return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


def post(
    session: requests.Session, url: str, body: bytes, headers: Mapping[str, str], *, deadline: float
) -> Answer:
    """Post `body` once, and return the answer.

    Args:
        session: a session from `build_session`. Any other session applies the remaining time to each read.
        url: the URL to post to.
        body: the bytes to send.
        headers: all headers of the request, except those of HTTP itself.
        deadline: the `monotonic()` time at which the whole exchange ends.

    Raises:
        requests.RequestException: no answer, or no complete headers of one, arrived in time.
        OSError: a certificate file cannot be read.
    """
    token = _request.set((deadline, _HEADERS.union(map(str.lower, headers))))
    try:
        response = session.post(
            url,
            data=body,
            headers=headers,
            timeout=max(deadline - monotonic(), 0.001),
            allow_redirects=False,
            stream=True,
        )
        with closing(response):
            return Answer(response.status_code, response.headers, _content_of(response))
    finally:
        _request.reset(token)


def _content_of(response: requests.Response) -> bytes:
    """Read the answer to its end, so that the connection can be reused."""
    content = bytearray()
    try:
        for chunk in response.iter_content(8192):
            content += chunk
            if len(content) > _MAX_ANSWER_BYTES:
                break
    except OSError:
        pass
    return bytes(content)


class _Session(requests.Session):
    """A session that does not follow redirects."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  # as inherited
        """Return None: otherwise, `requests` reads the whole body of a redirect even if it does not follow it."""
        return None


def build_session(
    url: str, *, verify: str | None = None, cert: str | tuple[str, str] | None = None
) -> requests.Session:
    """Return a session with the environment's proxies and CA bundles for `url`, but without its credentials.

    The session uses no `.netrc` and no cookies, and never retries. It reads the environment here, not at each request.

    Args:
        url: the URL to post to.
        verify: a file of CA certificates that replaces those that the environment names.
        cert: a file with the client's certificate and key, or one file for each.
    """
    session = _Session()
    settings = session.merge_environment_settings(url, {}, None, verify, None)
    session.trust_env = False
    session.proxies, session.verify, session.cert = settings["proxies"], settings["verify"], cert
    session.auth = _no_auth
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(max_retries=0, pool_maxsize=_MOST_CONNECTIONS))
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no authentication. If `auth` were None, `requests` would look for credentials elsewhere."""
    return request


def _seconds_left() -> float:
    left = _request.get()[0] - monotonic()
    if left <= 0:
        raise TimeoutError("the export's deadline has passed")
    return left


def _set_timeout(sock: socket.socket) -> None:
    """Set the remaining time as the timeout of the next operation on `sock`.

    Keep a timeout that is close enough: each `settimeout` releases the GIL and may block while reacquiring it.
    """
    left = _seconds_left()
    if not left <= (sock.gettimeout() or 0.0) <= left + _TOLERANCE_SECONDS:
        sock.settimeout(left)


class _Reader(io.RawIOBase):
    """Reads a socket until the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _set_timeout(self._sock)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _SocketOptions(tuple[Any, ...]):
    """Options for each new socket. `urllib3` iterates them before each address it tries, so they check the deadline."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        _seconds_left()
        return super().__iter__()


class _Bounded(HTTPConnection):
    """Connects, sends and reads within the deadline."""

    response_class = _Response

    def connect(self) -> None:
        self.timeout = min(_seconds_left(), _CONNECT_SECONDS)
        self.socket_options = _SocketOptions(self.socket_options or ())  # type: ignore[assignment]  # only read
        super().connect()

    def putheader(self, header: str, *values: str) -> None:  # type: ignore[override]  # urllib3's signature
        """Leave out headers of others: tracers patch the layers above this one to add the trace and the release."""
        if header.lower() in _request.get()[1]:
            super().putheader(header, *values)

    def send(self, data: Any) -> None:
        if self.sock is not None:
            _set_timeout(self.sock)
        super().send(data)


def _bound(manager: Any) -> None:
    """Make the pools of `manager` (direct, or for an HTTP or SOCKS proxy) create `_Bounded` connections."""
    manager.pool_classes_by_scheme = {
        scheme: type(
            "_Pool", (pool,), {"ConnectionCls": type("_Connection", (_Bounded, pool.ConnectionCls), {})}
        )
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy not in self.proxy_manager:
            _bound(super().proxy_manager_for(proxy, **kwargs))
        return self.proxy_manager[proxy]

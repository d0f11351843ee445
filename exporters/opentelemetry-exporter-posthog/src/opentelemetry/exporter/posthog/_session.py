# SPDX-License-Identifier: Apache-2.0
"""One HTTP request: within one deadline, with our own headers only, and nothing else of the application's.

`requests` applies a timeout to each read of a socket, so a server that sends a byte now and then holds a
request for ever; here connecting, sending and reading share one deadline. Not covered is the operating
system's name resolution. `mem0-telemetry` sends OTLP by this module too.
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

# Tools that freeze time for an application's tests replace `time.monotonic`, also where a module has imported it
# by name, and a deadline would never come. They do not see the system call, nor what is inside a partial.
monotonic: Final = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    if hasattr(time, "clock_gettime")
    else partial(time.perf_counter)
)
"""Return seconds since some point of this boot; never goes back."""
_CONNECT_SECONDS: Final = 5.0
"""For one address of a host; the next one gets its turn within the deadline."""
_MOST_CONNECTIONS: Final = 100
"""Kept for threads that export at the same time; `urllib3` warns of each one beyond."""
_TOLERANCE_SECONDS: Final = 0.05
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""What the OTLP specification recommends; PostHog's answers are short."""
_LONGEST_RETRY_AFTER: Final = 24 * 3600.0

_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "host", "proxy-authorization", "user-agent"}
)
"""What a request has beside the headers that it is given."""

_request: Final[ContextVar[tuple[float, frozenset[str]]]] = ContextVar("_request")
"""The deadline of the request under way, and the names of all headers that it may have, in lower case."""


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """By names of any case."""
    content: bytes
    """The body, decoded, as far as it arrived in time."""

    @property
    def is_too_long(self) -> bool:
        """Return whether the body was longer than a client should read; the rest was not read."""
        return len(self.content) > _MAX_ANSWER_BYTES

    @property
    def retry_after(self) -> float | None:
        """The seconds that the server asks to wait for, as it gives them or until the date it gives."""
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
        session: of `build_session`. Any other one applies the time that is left to each read.
        url: where to.
        body: as it is sent.
        headers: all that the request has beside those of HTTP itself.
        deadline: by `monotonic()`; the whole exchange ends by then.

    Raises:
        requests.RequestException: there was no answer, or no headers of one in time.
        OSError: a file of certificates cannot be read.
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
    """Read the answer to its end, so that the connection can be used again."""
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
    """Knows no redirects."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  # as inherited
        """Return None: `requests` would read a redirect whole, also where it is not to follow it."""
        return None


def build_session(
    url: str, *, verify: str | None = None, cert: str | tuple[str, str] | None = None
) -> requests.Session:
    """Return a session with the environment's proxies and CA bundles for `url`, but none of its credentials.

    No `.netrc`, no cookies, no repetitions of its own. The environment is read here and not at each request.

    Args:
        url: what will be posted to.
        verify: a file of CA certificates, which counts instead of those that the environment names.
        cert: a file of the client's own certificate and key, or a file for each.
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
    """Authenticate by nothing; without any `auth`, `requests` looks for credentials elsewhere."""
    return request


def _seconds_left() -> float:
    left = _request.get()[0] - monotonic()
    if left <= 0:
        raise TimeoutError("the export's deadline has passed")
    return left


def _limit(sock: socket.socket) -> None:
    """Give the next operation of `sock` the time that is left.

    Not where it has that: each `settimeout` releases the GIL, and may block while it is acquired again.
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
        _limit(self._sock)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _SocketOptions(tuple[Any, ...]):
    """Options for each new socket; read before each address is tried, so the deadline is looked at here."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        _seconds_left()
        return super().__iter__()


class _Bounded(HTTPConnection):
    """Connects, sends and reads within the deadline."""

    response_class = _Response

    def connect(self) -> None:
        self.timeout = min(_seconds_left(), _CONNECT_SECONDS)
        self.socket_options = _SocketOptions(self.socket_options or ())  # type: ignore[assignment]  # it is only read
        super().connect()

    def putheader(self, header: str, *values: str) -> None:  # type: ignore[override]  # as urllib3 has it
        """Leave out what others put in: tracers patch what lies above, to tell the trace and the release."""
        if header.lower() in _request.get()[1]:
            super().putheader(header, *values)

    def send(self, data: Any) -> None:
        if self.sock is not None:
            _limit(self.sock)
        super().send(data)


def _bound(manager: Any) -> None:
    """Let the pools of `manager` (direct, or of an HTTP or SOCKS proxy) make bounded connections."""
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

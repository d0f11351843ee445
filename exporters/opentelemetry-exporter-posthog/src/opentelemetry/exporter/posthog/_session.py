"""A `requests` session that keeps a deadline and carries nothing of the application.

`requests` applies a timeout to each read of a socket, so a server that sends a byte now and then holds a
request for ever; here connecting, sending and reading share one deadline. Not covered is the operating
system's name resolution.
"""

from __future__ import annotations

import io
import time
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator

_CONNECT_SECONDS: Final = 5.0
"""For one address of a host; the next one gets its turn within the deadline."""
_MOST_CONNECTIONS: Final = 100
"""Kept for threads that export at the same time; `urllib3` warns of each one beyond."""
_TOLERANCE_SECONDS: Final = 0.05
_SLICE_BYTES: Final = 64 * 1024

_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "proxy-authorization",
        "user-agent",
    }
)
"""All that a request of ours has."""

_deadline: Final[ContextVar[float]] = ContextVar("_deadline")


@contextmanager
def within(deadline: float) -> Iterator[None]:
    """Bound by `deadline` (`time.monotonic()`) what the sessions of `build_session` do in this context."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left(deadline: float) -> float:
    """Return the seconds until `deadline`, negative after it."""
    return deadline - time.monotonic()


class _Session(requests.Session):
    """Knows no redirects.

    `requests` looks at where one leads also when it is not to follow: it reads the answer whole, however long
    that is, and raises for a `Location` that is no URL.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  # as inherited
        """Return None: nowhere."""
        return None


def build_session(url: str) -> requests.Session:
    """Return a session with the environment's proxies and CA bundles for `url`, but none of its credentials.

    No `.netrc`, no cookies, no repetitions of its own. The environment is read here and not at each request.
    """
    session = _Session()
    settings = session.merge_environment_settings(url, {}, None, None, None)
    session.trust_env = False
    session.proxies, session.verify = settings["proxies"], settings["verify"]
    session.auth = _no_auth
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(max_retries=0, pool_maxsize=_MOST_CONNECTIONS))
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authenticate by nothing; without any `auth`, `requests` looks for credentials elsewhere."""
    return request


def _time_left() -> float:
    left = seconds_left(_deadline.get())
    if left <= 0:
        raise TimeoutError("the export's deadline has passed")
    return left


def _limit(sock: socket.socket) -> None:
    """Give the next operation of `sock` the time that is left.

    Not where it has that: each `settimeout` gives the interpreter away, and may wait for it to come back.
    """
    left = _time_left()
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


class _SocketOptions:
    """Options for each new socket; read before each address is tried, so the deadline is looked at here."""

    def __init__(self, options: Iterable[Any]) -> None:
        self._options = tuple(options)

    def __iter__(self) -> Iterator[Any]:
        _time_left()
        return iter(self._options)


class _HTTPConnection(HTTPConnection):
    """Connects, sends and reads within the deadline."""

    response_class = _Response

    def connect(self) -> None:
        self.timeout = min(_time_left(), _CONNECT_SECONDS)
        self.socket_options = _SocketOptions(self.socket_options or ())  # type: ignore[assignment]  # it is only read
        super().connect()

    def putheader(self, header: str, *values: str) -> None:  # type: ignore[override]  # as urllib3 has it
        """Leave out what others put in: tracers patch what lies above, to tell the trace and the release."""
        if header.lower() in _HEADERS:
            super().putheader(header, *values)

    def send(self, data: Any) -> None:
        if not isinstance(data, bytes):
            super().send(data)
            return
        for start in range(0, len(data), _SLICE_BYTES):
            if self.sock is not None:
                _limit(self.sock)
            super().send(data[start : start + _SLICE_BYTES])


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    """The same over TLS."""


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS: Final = {"http": _HTTPPool, "https": _HTTPSPool}


class _Adapter(HTTPAdapter):
    """Uses the bounded connections, through HTTP proxies too."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # whose connections are made in another way
            manager.pool_classes_by_scheme = _POOLS
        return manager

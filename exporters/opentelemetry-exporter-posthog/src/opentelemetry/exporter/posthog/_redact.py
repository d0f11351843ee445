# SPDX-License-Identifier: Apache-2.0
"""What is left out or cleaned unless it is asked for: secrets in URLs and headers, and who called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_PRIVATE: Final = frozenset(
    {
        *("client.address", "client.port", "client.socket.address", "client.socket.port", "http.client_ip"),
        *("net.peer.ip", "net.peer.name", "net.peer.port"),
        *("net.sock.peer.addr", "net.sock.peer.name", "net.sock.peer.port"),
        *("network.peer.address", "network.peer.port", "source.address", "source.port"),
        *("db.query.text", "db.statement", "url.fragment", "url.query"),
    }
)
_PRIVATE_PREFIXES: Final = (
    *("db.operation.parameter.", "db.query.parameter.", "enduser.", "messaging.header."),
    *("http.request.header.", "http.response.header."),
    *("rpc.connect_rpc.request.metadata.", "rpc.connect_rpc.response.metadata."),
    *("rpc.grpc.request.metadata.", "rpc.grpc.response.metadata."),
    *("rpc.request.metadata.", "rpc.response.metadata."),
)
_ROUTED: Final = ("http.target", "http.url", "url.full", "url.original", "url.path")
URLS: Final = frozenset({"$current_url", *_ROUTED})
"""Attributes and properties that hold a URL, also a relative one."""
ROUTE: Final = "http.route"
_PARAMETERS: Final = re.compile(r"[{<*(]|/:")
_END_OF_AUTHORITY: Final = re.compile(r'/|"[,:]"')
"""A slash, or the end of a text in JSON: an "@" behind it is none of the URL's."""
_PASSWORD: Final = re.compile(r'[^/?#@:\["]*:(?!\d+(?:[/"]|$))[^@]*@')
"""What follows "//" where a password may hold what ends an authority: a port is not before the next "@"."""
_WEB: Final = ("http:", "https:")
_HOST_AND_PORT: Final = re.compile(r"[^:]*:\d{1,5}")
_MAX_DEPTH: Final = 32


def is_private(key: str) -> bool:
    """Return whether the attribute `key` is left out."""
    return key in _PRIVATE or key.startswith(_PRIVATE_PREFIXES)


def _is_url(text: str) -> bool:
    """Return whether `text` is no more than a URL, maybe one with a tab or a line's end in its password."""
    return len(text.split(maxsplit=1)) == 1 or (
        " " not in text and bool(_PASSWORD.match(text.partition("://")[2]))
    )


def clean_relative_url(text: str) -> str:
    """Return a URL, maybe a relative one, without user, password, query and fragment (RFC 3986, section 3).

    Of one whose password is not quoted only the scheme is left: its end, and so the host, can only be guessed.
    """
    text = text.strip()
    url = re.split(r"[?#]", text, maxsplit=1)[0]
    scheme, slashes, rest = url.partition("//")
    if scheme and not scheme.endswith(":"):
        return url  # "//" within a path
    authority = _END_OF_AUTHORITY.split(rest, maxsplit=1)[0]
    is_host = "@" in authority or (scheme.lower() in _WEB and _HOST_AND_PORT.fullmatch(authority))
    if not is_host and _PASSWORD.match(text, len(scheme) + len(slashes)):
        return f"{scheme}{slashes}"
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}{rest[len(authority) :]}"


def clean_urls(value: object, depth: int = 0) -> object:
    """Return `value` with the URLs among its texts cleaned; what is nested too deeply for JSON is left alone.

    A text is one if it holds "://", and white space at most around it: a sentence may begin with a URL.
    """
    if isinstance(value, str):
        return clean_relative_url(value) if "://" in value and _is_url(value.strip()) else value
    if depth < _MAX_DEPTH:
        if isinstance(value, (list, tuple)):
            return [clean_urls(item, depth + 1) for item in value]
        if isinstance(value, Mapping):
            return {key: clean_urls(item, depth + 1) for key, item in value.items()}
    return value


def hide_parameters(attributes: dict[Any, Any]) -> None:
    """Put the route in the place of the path in URLs, where the route names parameters of the path."""
    route = attributes.get(ROUTE)
    if not isinstance(route, str) or not _PARAMETERS.search(route):
        return
    for key in _ROUTED:
        url = attributes.get(key)
        if isinstance(url, str):
            scheme, separator, rest = clean_relative_url(url).partition("://")
            host = rest.partition("/")[0] if separator else ""
            attributes[key] = f"{scheme}://{host}{route}" if separator else route

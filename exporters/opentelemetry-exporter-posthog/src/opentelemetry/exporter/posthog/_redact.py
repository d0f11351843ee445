# SPDX-License-Identifier: Apache-2.0
"""Leave out or clean attributes that may contain secrets or identify the caller, unless `redact` is False."""

from __future__ import annotations

import re
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
"""Attributes and properties that hold a URL, absolute or relative."""
ROUTE: Final = "http.route"
_PARAMETERS: Final = re.compile(r"[{<*(]|/:")
_END_OF_AUTHORITY: Final = re.compile(r'/|"[,:]"')
"""A slash, or the end of a string in JSON text: an "@" after it does not belong to the URL."""
_PASSWORD: Final = re.compile(r'[^/?#@:\["]*:(?!\d+(?:[/"]|$))[^@]*@')
"""Matches after "//" a user and a password that may contain "/", "?" or "#". Digits before "/" are a port instead."""
_WEB: Final = ("http:", "https:")
_HOST_AND_PORT: Final = re.compile(r"[^:]*:\d{1,5}")


def is_private(key: str) -> bool:
    """Return whether `redact` leaves out the attribute `key`."""
    return key in _PRIVATE or key.startswith(_PRIVATE_PREFIXES)


def _is_url(text: str) -> bool:
    """Return whether `text` is nothing but a URL, possibly with a tab or a line end in its password."""
    return len(text.split(maxsplit=1)) == 1 or (
        " " not in text and bool(_PASSWORD.match(text.partition("://")[2]))
    )


def clean_relative_url(text: str) -> str:
    """Return a URL, absolute or relative, without user, password, query and fragment (RFC 3986, section 3).

    If the password contains an unquoted "/", "?" or "#", return only the scheme: the host can only be guessed.
    """
    text = text.strip()
    url = re.split(r"[?#]", text, maxsplit=1)[0]
    scheme, slashes, rest = url.partition("//")
    if scheme and not scheme.endswith(":"):
        return url  # the "//" is part of a path
    authority = _END_OF_AUTHORITY.split(rest, maxsplit=1)[0]
    is_host = "@" in authority or (scheme.lower() in _WEB and _HOST_AND_PORT.fullmatch(authority))
    if not is_host and _PASSWORD.match(text, len(scheme) + len(slashes)):
        return f"{scheme}{slashes}"
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}{rest[len(authority) :]}"


def clean_urls(value: object) -> object:
    """Return the result of `clean` with all strings cleaned that are URLs.

    A URL contains "://", and white space only around it. A sentence that begins with a URL stays unchanged.
    """
    if isinstance(value, str):
        return clean_relative_url(value) if "://" in value and _is_url(value.strip()) else value
    if isinstance(value, list):
        return [clean_urls(item) for item in value]
    if isinstance(value, dict):
        return {key: clean_urls(item) for key, item in value.items()}
    return value


def hide_parameters(attributes: dict[Any, Any]) -> None:
    """Replace the path of each URL attribute with the route, if the route has path parameters."""
    route = attributes.get(ROUTE)
    if not isinstance(route, str) or not _PARAMETERS.search(route):
        return
    for key in _ROUTED:
        url = attributes.get(key)
        if isinstance(url, str):
            scheme, separator, rest = clean_relative_url(url).partition("://")
            attributes[key] = f"{scheme}://{rest.partition('/')[0]}{route}" if separator else route

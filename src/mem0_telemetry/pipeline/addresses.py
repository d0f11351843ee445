# SPDX-License-Identifier: Apache-2.0
"""Parse the addresses, protocols and headers that environment variables contain. Pure.

Each address has one spelling, because the spelling names a spool directory and shows whether events go to Mem0.
"""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

GRPC = "grpc"
HTTP_PROTOBUF = "http/protobuf"

_LOCAL_ENDPOINTS = {GRPC: "http://localhost:4317", HTTP_PROTOBUF: "http://localhost:4318"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[a-z0-9_.%-]*:[a-z0-9_.:%-]*")
"""A name or an IPv4 address, or an IPv6 address with its zone, which `urlsplit` has already checked."""
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
"""A token (RFC 9110, section 5.6.2), in lower case."""
_GRPC_NAME = re.compile(r"[a-z0-9_.-]+(?<!-bin)")
"""A header name for which gRPC accepts a text value."""


class UnusableError(ValueError):
    """A value cannot be used. The message names the variable and the remedy, but no value that may be a secret."""


def one_spelling(text: str, variable: str, example: str, *, keep_port: bool = False) -> str:
    """Return `text` as an http(s) URL with scheme and host in lower case, and no default port, trailing dot or slash.

    Args:
        text: the URL.
        variable: the variable that contains it, for the error message.
        example: a valid URL, for the error message.
        keep_port: keep the port even if it is the scheme's default.

    Raises:
        UnusableError: if `text` is not an http(s) URL, or has credentials, a query or a fragment.
    """
    lacks_scheme = not text.lower().startswith(("http://", "https://"))
    what = "has no http:// or https:// at its beginning; set" if lacks_scheme else "is not"
    unusable = UnusableError(f"{variable} {what} a URL such as {example}")
    try:
        parts = urlsplit(text)
        # HTTP clients also normalize international names: full-width letters and the ideographic dot.
        host = normalize("NFKC", parts.hostname or "").lower().replace("\u3002", ".").removesuffix(".")
        port = parts.port
    except ValueError:
        raise unusable from None
    if parts.username is not None:  # addresses are shown, so they must not contain secrets
        raise UnusableError(
            f"{variable} holds a user name or password, so it is not used; set a URL such as {example}"
        )
    is_plain = parts.path.isascii() and text.isprintable() and " " not in text
    default = _DEFAULT_PORTS.get(parts.scheme)
    if not (default and _HOST.fullmatch(host) and is_plain and port != 0) or parts.query or parts.fragment:
        raise unusable
    authority = f"[{host}]" if ":" in host else host
    if port is not None and (keep_port or port != default):
        authority = f"{authority}:{port}"
    return f"{parts.scheme}://{authority}{parts.path}".rstrip("/")


def otlp_protocol(variable: str, text: str) -> str:
    """Return the protocol in `text`, the value of `variable`, or the default protocol if it is empty."""
    protocol = text.lower() or HTTP_PROTOBUF
    if protocol not in _LOCAL_ENDPOINTS:
        raise UnusableError(f"{variable} is neither {HTTP_PROTOBUF} nor {GRPC}")
    return protocol


def otlp_address(variable: str, text: str, protocol: str) -> tuple[str, str]:
    """Return the URL in `text`, or the local default if it is empty, and its query, which may be a secret.

    gRPC uses neither path nor query: a path is ignored, as in the stock exporter, and a query is an error.
    """
    example = "https://otel.example.com:4318"
    url = text or _LOCAL_ENDPOINTS[protocol]
    if protocol == GRPC:
        # Keep even the scheme's default port: without a port, gRPC uses 443 for both schemes.
        scheme, _, rest = one_spelling(url, variable, example, keep_port=True).partition("://")
        return f"{scheme}://{rest.partition('/')[0]}", ""
    url, _, query = url.partition("?")
    if not (query.isascii() and query.isprintable()) or " " in query or "#" in query:
        raise UnusableError(f"{variable} is not a URL such as {example}")
    return one_spelling(url, variable, example), query


def with_otlp_path(endpoint: str, variable: str, protocol: str) -> str:
    """Return `endpoint`, the value of `variable`; append the path of the logs signal if it is a base URL."""
    if protocol == GRPC or endpoint.endswith("/v1/logs"):
        return endpoint
    if endpoint.endswith(("/v1/traces", "/v1/metrics")):
        raise UnusableError(
            f"{variable} ends in the path of another signal; leave it out, or end in /v1/logs"
        )
    return f"{endpoint}/v1/logs"


def otlp_headers(variable: str, text: str, protocol: str) -> dict[str, str]:
    """Parse headers of the form `name=value,name=value`, URL-encoded (OTLP exporter, "Specifying headers")."""
    headers: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = item.partition("=")
        name, value = unquote(name).strip().lower(), unquote(value).strip()
        if not equals or not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise UnusableError(f"{variable} is not a list such as name=value,name2=value2")
        if protocol == GRPC and not _GRPC_NAME.fullmatch(name):
            raise UnusableError(
                f"{variable} has a name that gRPC does not take: use letters, digits, _ - . and no -bin at the end"
            )
        headers[name] = value
    return headers

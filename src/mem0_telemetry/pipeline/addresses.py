"""One spelling for each address: it names a directory of the spool, and tells whether events go to Mem0."""

from __future__ import annotations

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_."


class UnusableError(ValueError):
    """A value that cannot be used, in words that name the variable and the remedy, and never the value."""


def one_spelling(text: str, variable: str, example: str, *, keep_port: bool = False) -> str:
    """Return `text` as an http(s) URL: lower case, without a default port, a dot after the host or a slash at the end.

    Args:
        text: the URL.
        variable: where it comes from.
        example: a URL that could stand there.
        keep_port: keep a port that is the scheme's default one.

    Raises:
        UnusableError: where it is no such URL, or has credentials, a query or a fragment.
    """
    from unicodedata import normalize  # noqa: PLC0415  # only where something may be sent
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(text)
        # As a client reads an international name: of full-width letters and the ideographic dot.
        host = normalize("NFKC", parts.hostname or "").lower().replace("\u3002", ".").removesuffix(".")
        port = parts.port
    except ValueError:
        raise UnusableError(f"{variable} is not a URL such as {example}") from None
    if parts.username is not None:  # an address is shown, so it must hold no secret
        raise UnusableError(
            f"{variable} holds a user name or password, so it is not used; set a URL such as {example}"
        )
    is_host = all(host.split(".")) and not host.strip(_HOST_CHARACTERS + ":%" * (":" in host))
    is_plain = parts.path.isascii() and text.isprintable() and " " not in text
    default = _DEFAULT_PORTS.get(parts.scheme)
    if not (default and is_host and is_plain and port != 0) or parts.query or parts.fragment:
        raise UnusableError(f"{variable} is not a URL such as {example}")
    authority = f"[{host}]" if ":" in host else host
    if port is not None and (keep_port or port != default):
        authority = f"{authority}:{port}"
    return f"{parts.scheme}://{authority}{parts.path}".rstrip("/")

# SPDX-License-Identifier: Apache-2.0
"""Planted texts: private texts that must not leave a process in any form."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping

_KINDS = """
user_id agent_id run_id app_id memory_id webhook_id message query metadata_key metadata_value filter_key filter_value
collection custom_class api_version parameter_name instructions category feedback_reason schema name description
directory host_name user_name netrc_login netrc_password otel_resource otel_header otel_service baggage
"""


def new_texts() -> dict[str, str]:
    """Return a new random text of each kind."""
    texts = {kind: f"planted_{kind}_{secrets.token_hex(6)}" for kind in _KINDS.split()}
    email = f"planted_{secrets.token_hex(6)}@planted.example"
    return {**texts, "email": email, "api_key": f"m0-planted{secrets.token_hex(12)}"}


def found_in(places: Iterable[tuple[str, bytes]], texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each planted text found in `places`, which are pairs of a name and its bytes."""
    forms = [(kind, form, needle) for kind, text in texts.items() for form, needle in forms_of(text)]
    for place, content in places:
        lowered = content.lower()
        for kind, form, needle in forms:
            if needle in (content if form == "base64" else lowered):
                yield f"the planted {kind} is in {place}, as {form}"


def forms_of(text: str) -> tuple[tuple[str, bytes], ...]:
    """Return the forms in which a text could leak: plain (in lower case), hashed, and encoded."""
    raw = text.encode()
    return (
        ("plain text", raw.lower()),
        ("MD5", hashlib.md5(raw, usedforsecurity=False).hexdigest().encode()),
        ("SHA-1", hashlib.sha1(raw, usedforsecurity=False).hexdigest().encode()),
        ("SHA-256", hashlib.sha256(raw).hexdigest().encode()),
        ("base64", base64.b64encode(raw).rstrip(b"=")),
    )

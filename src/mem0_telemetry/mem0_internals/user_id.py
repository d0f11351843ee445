# SPDX-License-Identifier: Apache-2.0
"""Keep the installation id in a vector store that the caller passes, as Mem0 does on request."""

from __future__ import annotations

from typing import Any

from mem0_telemetry.base.guard import guard

_DEFAULT_DIMENSIONS = 1536


def stored_user_id(vector_store: Any, user_id: str) -> str:
    """Return the id that `vector_store` has under `user_id`, or else insert `user_id` as Mem0 does, and return it.

    Called only with a store that the application itself passed (mem0/memory/setup.py `get_or_create_user_id`).
    """
    with guard("looking up the installation id in a vector store"):
        existing = vector_store.get(vector_id=user_id)
        payload = getattr(existing, "payload", None)
        stored = payload.get("user_id") if payload else None
        if stored is not None:
            return str(stored)
    with guard("storing the installation id in a vector store"):
        dimensions = getattr(vector_store, "embedding_model_dims", _DEFAULT_DIMENSIONS)
        vector_store.insert(
            vectors=[[0.1] * dimensions],
            payloads=[{"user_id": user_id, "type": "user_identity"}],
            ids=[user_id],
        )
    return user_id

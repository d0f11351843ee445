"""Read what an exporter is told: the argument, else the variable, else the default. Warn once of what is unusable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._notice import warn_once
from opentelemetry.exporter.posthog._options import MappingOptions

if TYPE_CHECKING:
    from collections.abc import Callable

_VARIABLES: Final = {"group_attributes": "GROUPS"}
"""The variable of any other setting is its name in capitals."""


def mapping_options(given: Mapping[str, object]) -> MappingOptions:
    """Return how records become events. Never raises.

    Args:
        given: arguments by name; those that are absent or None come from the environment.
    """
    before_send = given.get("before_send")
    if before_send is not None and not callable(before_send):
        warn_once("The argument 'before_send' is not a callable, so no event is sent: correct it.")
        before_send = _drop
    options: dict[str, Any] = {}
    defaults = MappingOptions()
    for name in MappingOptions.__dataclass_fields__:
        default = getattr(defaults, name)
        if isinstance(default, bool):
            options[name] = flag(name, given.get(name), default=default)
        elif isinstance(default, (tuple, dict)):
            read, wanted = _READERS[type(default)]
            options[name] = _read(name, given.get(name), default, read, wanted, "it is ignored")
    return MappingOptions(**options, before_send=before_send)


def _drop(_: object) -> None:
    """Drop every event: the application wanted to look at each, and cannot."""


def flag(name: str, given: object, *, default: bool) -> bool:
    """Return the switch `name`."""
    outcome = f"it counts as {str(default).lower()}"
    return bool(_read(name, given, default, _as_flag, "'true' or 'false'", outcome))


def _read(  # noqa: PLR0913, PLR0917  # a row of a table
    name: str, given: object, default: Any, read: Callable[[Any], Any], wanted: str, outcome: str
) -> Any:
    """Return a setting as `read` makes it of the argument, else of the variable; a blank text counts as unset."""
    source, value = f"The argument {name!r}", given
    if given is None:
        source = f"OTEL_EXPORTER_POSTHOG_{_VARIABLES.get(name, name.upper())}"
        value = os.environ.get(source, "")
    if isinstance(value, str) and not value.strip():
        return default
    with suppress(Exception):  # an iterable or mapping of the application's own may raise
        found = read(value)
        if found is not None:
            return found
    warn_once(f"{source} is not {wanted}, so {outcome}: correct it.")
    return default


def _as_flag(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return bool(value) if isinstance(value, int) else None


def _as_texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, Iterable) or isinstance(value, (bytes, Mapping)):
        return None
    found = tuple(value)
    return found if all(isinstance(one, str) for one in found) else None


def _as_map(value: object) -> dict[str, str] | None:
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        is_map = all(separator for _, separator, _ in pairs)
        return {key.strip(): text.strip() for key, _, text in pairs} if is_map else None
    if not isinstance(value, Mapping):
        return None
    found = dict(value)
    return found if all(isinstance(one, str) for pair in found.items() for one in pair) else None


_READERS: Final[dict[type, tuple[Callable[[Any], Any], str]]] = {
    tuple: (_as_texts, "a list of texts"),
    dict: (_as_map, "a map of texts (as text: key=value,key=value)"),
}


def warn_of_unknown(names: Iterable[str]) -> None:
    """Warn of arguments that the exporter does not know: keys of a configuration file, mostly."""
    for name in names:
        warn_once(
            f"The PostHog exporter has no setting {name!r}, so it is ignored: "
            "check its name against the exporter's README."
        )

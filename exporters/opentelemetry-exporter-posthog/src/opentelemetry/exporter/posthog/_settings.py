"""What an exporter is told: the argument, else the variable, else the default. What is unusable is said once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog import environment_variables as env
from opentelemetry.exporter.posthog._notice import warn_once
from opentelemetry.exporter.posthog._options import DEFAULT_DISTINCT_ID_ATTRIBUTES, MappingOptions

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS: Final = {
    "person_profiles": (env.OTEL_EXPORTER_POSTHOG_PERSON_PROFILES, False),
    "geoip": (env.OTEL_EXPORTER_POSTHOG_GEOIP, False),
    "ip": (env.OTEL_EXPORTER_POSTHOG_IP, False),
    "trace_context": (env.OTEL_EXPORTER_POSTHOG_TRACE_CONTEXT, False),
    "conventions": (env.OTEL_EXPORTER_POSTHOG_CONVENTIONS, True),
    "exceptions": (env.OTEL_EXPORTER_POSTHOG_EXCEPTIONS, False),
    "redact": (env.OTEL_EXPORTER_POSTHOG_REDACT, True),
    "retry": (env.OTEL_EXPORTER_POSTHOG_RETRY, True),
}
_LISTS: Final = {
    "distinct_id_attributes": (
        env.OTEL_EXPORTER_POSTHOG_DISTINCT_ID_ATTRIBUTES,
        DEFAULT_DISTINCT_ID_ATTRIBUTES,
    ),
    "baggage_keys": (env.OTEL_EXPORTER_POSTHOG_BAGGAGE_KEYS, ()),
    "events": (env.OTEL_EXPORTER_POSTHOG_EVENTS, ()),
}
_MAPS: Final = {
    "event_names": env.OTEL_EXPORTER_POSTHOG_EVENT_NAMES,
    "property_names": env.OTEL_EXPORTER_POSTHOG_PROPERTY_NAMES,
    "group_attributes": env.OTEL_EXPORTER_POSTHOG_GROUPS,
}


def mapping_options(given: Mapping[str, object]) -> MappingOptions:
    """Return how records become events. Never raises.

    Args:
        given: arguments by name; those that are absent or None come from the environment.
    """
    before_send = given.get("before_send")
    if before_send is not None and not callable(before_send):
        before_send = _unusable("The argument 'before_send'", "a callable", "no event is sent", _refuse)
    options: dict[str, Any] = {name: flag(name, given.get(name)) for name in _FLAGS if name != "retry"}
    options |= {name: texts(name, given.get(name)) for name in _LISTS}
    options |= {name: _text_map(name, given.get(name)) for name in _MAPS}
    return MappingOptions(**options, before_send=before_send)


def _refuse(_: object) -> None:
    """Drop every event: somebody wanted to look at each, and cannot."""


def flag(name: str, given: object) -> bool:
    """Return the switch `name`."""
    variable, default = _FLAGS[name]
    value, source = _given_or_set(name, given, variable)
    if isinstance(value, str):
        value = {"true": True, "false": False, "": default}.get(value.strip().lower(), value)
    if value is None or isinstance(value, (bool, int)):
        return default if value is None else bool(value)
    return bool(_unusable(source, "'true' or 'false'", f"it counts as {str(default).lower()}", default))


def texts(name: str, given: object) -> tuple[str, ...]:
    """Return the list `name`; a text is one separated by commas."""
    variable, default = _LISTS[name]
    value, source = _given_or_set(name, given, variable)
    if value is None:
        return default
    try:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
            found = tuple(value)
            if all(isinstance(one, str) for one in found):
                return found
    except Exception:  # noqa: BLE001  # an iterable of the application's own that raises
        found = ()
    return tuple(_unusable(source, "a list of texts", "it is ignored", default))


def _text_map(name: str, given: object) -> dict[str, str]:
    value, source = _given_or_set(name, given, _MAPS[name])
    if value is None:
        return {}
    try:
        if isinstance(value, str):
            pairs = [part.partition("=") for part in value.split(",") if part.strip()]
            if all(separator for _, separator, _ in pairs):
                return {key.strip(): text.strip() for key, _, text in pairs}
        elif isinstance(value, Mapping):
            found = dict(value)
            if all(isinstance(one, str) for pair in found.items() for one in pair):
                return found
    except Exception:  # noqa: BLE001  # a mapping of the application's own that raises
        found = {}
    return dict(_unusable(source, "a map of texts (as text: key=value,key=value)", "it is ignored", {}))


def number(name: str, given: object) -> float | None:
    """Return a number argument, None where it is none."""
    try:
        return None if given is None else float(given)  # type: ignore[arg-type]  # what is no number raises
    except Exception:  # noqa: BLE001  # code of the application's own objects
        _unusable(f"The argument {name!r}", "a number", "the default is used", None)
        return None


def filter_of(
    given: object, known: Mapping[str, Callable[[Any], bool] | None]
) -> Callable[[Any], object] | None:
    """Return the filter that `given` is or names, None for none at all."""
    if callable(given):
        return given
    name = given.strip().lower() if isinstance(given, str) else ""
    if name in known:
        return known[name]
    return _unusable(  # type: ignore[no-any-return]  # the last argument
        "The argument 'filter'",
        f"a callable or one of {', '.join(map(repr, known))}",
        "nothing is exported to PostHog",
        no_filter,
    )


def no_filter(_: object) -> bool:
    """Keep nothing: what was to be kept is not known.

    Raises:
        TypeError: always, so that records count as those of a filter that fails.
    """
    raise TypeError("the filter is none")


def warn_of_unknown(names: Iterable[str]) -> None:
    """Say which arguments the exporter does not know: keys of a configuration file, mostly."""
    for name in names:
        warn_once(
            f"The PostHog exporter has no setting {name!r}, so it is ignored: "
            "check its name against the exporter's README."
        )


def _given_or_set(name: str, given: object, variable: str) -> tuple[Any, str]:
    """Return the argument, else what the environment says (None: nothing), and which of them it was."""
    if given is not None:
        return given, f"The argument {name!r}"
    return os.environ.get(variable, "").strip() or None, variable


def _unusable(source: str, wanted: str, outcome: str, instead: Any) -> Any:
    warn_once(f"{source} is not {wanted}, so {outcome}: correct it.")
    return instead

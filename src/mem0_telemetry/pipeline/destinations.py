# SPDX-License-Identifier: Apache-2.0
"""Which destinations the environment chooses. Pure, standard library only, and nothing is built here.

Everything that decides *where* data goes is read here and nowhere else, so no exporter ever looks at the environment.
An unusable value gives *no* destination, never the default one: a typo must not send to the vendor. No problem repeats
the value of a variable: it may be a secret.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mem0_telemetry import environment_variables as env
from mem0_telemetry.pipeline import addresses
from mem0_telemetry.pipeline.addresses import UnusableError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VENDOR_API_KEY = "phc_hgJkUVJFYtmaJqrvf6CYN67TIQ8yhXAkWzUn9AMU4yX"
"""Mem0's PostHog *project* key: public, write-only, in every release of mem0ai."""
VENDOR_HOST = "https://us.i.posthog.com"

_VENDOR_HOSTS = ("us.i.posthog.com", "us.posthog.com", "app.posthog.com")
"""Names of one host: the PostHog client maps the last two to the first."""


@dataclass(frozen=True, slots=True, repr=False)  # it holds secrets
class DestinationConfig:
    """One chosen destination, in plain values."""

    name: str
    """The exporter's name, as in `MEM0_TELEMETRY_EXPORTER`."""
    endpoint: str = ""
    """URL that is posted to, in its one spelling and without credentials, or "" where the exporter has none."""
    query: str = ""
    """The rest of that URL, which may be a secret: it is sent, and shown nowhere."""
    api_key: str = ""
    """PostHog project key."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """For OTLP, in lower case."""
    protocol: str = ""
    """For OTLP, `http/protobuf` or `grpc`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths of `certificate`, `client_key` and `client_certificate`, where the standard variables name them."""

    @property
    def is_vendor(self) -> bool:
        """Return whether this sends to Mem0: PostHog at Mem0's own host."""
        return is_vendor(self.name, self.endpoint)

    @property
    def url(self) -> str:
        """Return the endpoint with its query: what is posted to, and never shown."""
        return f"{self.endpoint}?{self.query}" if self.query else self.endpoint

    @property
    def fingerprint(self) -> str:
        """Return 12 hex digits that name the mailbox of this address and its credentials: no other gets its files."""
        headers = sorted(f"{name}={value}" for name, value in self.headers.items())
        text = "\0".join((self.url, self.api_key, self.protocol, *headers))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Destinations:
    """What the environment chooses; by default nothing yet."""

    configs: tuple[DestinationConfig, ...] = ()
    """The usable ones, in the order given."""
    problems: tuple[str, ...] = ()
    """One sentence for each unusable one: it names the variable and the remedy."""
    remarks: tuple[str, ...] = ()
    """What is set and changes nothing."""
    none: bool = False
    """Whether `none` was chosen."""

    @property
    def reason_for_none(self) -> str | None:
        """Return why nothing can be sent, or None where something can."""
        if self.configs:
            return None
        if self.none:
            return f"{env.MEM0_TELEMETRY_EXPORTER} chooses none"
        return "; ".join(self.problems)


def is_vendor(name: str, endpoint: str) -> bool:
    """Return whether a config's `name` and `endpoint` are PostHog at Mem0's own host, whatever its port and path."""
    authority = endpoint.partition("://")[2].partition("/")[0]
    return name == "posthog" and authority.partition(":")[0] in _VENDOR_HOSTS


def resolve(environ: Mapping[str, str]) -> Destinations:
    """Read the destinations from `environ`. Never raises, logs, imports an exporter or touches the network."""
    configs: list[DestinationConfig] = []
    problems: list[str] = []
    try:
        chosen = _chosen(environ)
    except UnusableError as error:
        return Destinations(problems=(str(error),))
    if "none" in chosen:
        return Destinations(none=True)
    for name in chosen:
        reader = _READERS.get(name, _read_entry_point)
        try:
            configs.append(reader(name, environ))
        except UnusableError as error:
            problems.append(str(error))
    remarks: tuple[str, ...] = ()
    if unread := env.unread(environ):
        # It may be a no to Mem0's channel that is spelled wrong: it stops PostHog, at any host, and no other backend.
        configs = [config for config in configs if config.name != "posthog"]
        sentence = env.problem_of_unread(unread, stops_posthog="posthog" in chosen)
        if "posthog" in chosen:
            problems.append(sentence)
        else:
            remarks = (sentence,)
    return Destinations(tuple(configs), tuple(problems), remarks)


def _chosen(environ: Mapping[str, str]) -> dict[str, None]:
    """Return the chosen names, each once; whoever sets an endpoint and chooses nothing means that endpoint alone."""
    if chosen := env.text(environ, env.MEM0_TELEMETRY_EXPORTER):
        names = [name.strip() for name in chosen.split(",")]
        return dict.fromkeys(name.lower() if name.lower() in (*_READERS, "none") else name for name in names)
    otlp = [name for name in _OWN_OTLP if env.text(environ, name)]
    posthog = [name for name in _OWN_POSTHOG if env.text(environ, name)]
    if otlp and posthog:
        raise UnusableError(
            f"{otlp[0]} and {posthog[0]} are both set; say which is meant: "
            f"{env.MEM0_TELEMETRY_EXPORTER}=otlp, or posthog, or posthog,otlp"
        )
    if otlp and env.MEM0_TELEMETRY_OTLP_ENDPOINT not in otlp:
        raise UnusableError(
            f"{otlp[0]} is set without an address; set {env.MEM0_TELEMETRY_OTLP_ENDPOINT} too"
        )
    return {"otlp" if otlp else "posthog": None}


def _read_posthog(_: str, environ: Mapping[str, str]) -> DestinationConfig:
    key = env.text(environ, env.MEM0_TELEMETRY_POSTHOG_API_KEY) or VENDOR_API_KEY
    if not _POSTHOG_KEY.fullmatch(key):
        raise UnusableError(
            f"{env.MEM0_TELEMETRY_POSTHOG_API_KEY} is not a PostHog project key, which begins with phc_ and has "
            "letters, digits, _ and - only; a personal key (phx_…) must never leave this machine"
        )
    host = env.text(environ, env.MEM0_TELEMETRY_POSTHOG_HOST) or VENDOR_HOST
    endpoint = addresses.one_spelling(host, env.MEM0_TELEMETRY_POSTHOG_HOST, "https://eu.i.posthog.com")
    if endpoint.partition("://")[2] in _VENDOR_HOSTS:
        endpoint = VENDOR_HOST
    return DestinationConfig("posthog", endpoint=endpoint, api_key=key)


def _read_console(_: str, __: Mapping[str, str]) -> DestinationConfig:
    return DestinationConfig("console")


def _read_otlp(_: str, environ: Mapping[str, str]) -> DestinationConfig:
    """Read our own variables where one is set, else the standard ones, of which the form for logs wins."""
    own = any(env.text(environ, name) for name in _OWN_OTLP)
    prefixes = (_OWN_PREFIX,) if own else ("OTEL_EXPORTER_OTLP_LOGS_", "OTEL_EXPORTER_OTLP_")

    def given(name: str) -> tuple[str, str]:
        variables = [prefix + name for prefix in prefixes]
        set_one = next((variable for variable in variables if env.text(environ, variable)), variables[-1])
        return set_one, env.text(environ, set_one)

    protocol = addresses.otlp_protocol(*given("PROTOCOL"))
    _require_otlp(protocol)
    variable, address = given("ENDPOINT")
    if not own and protocol == addresses.GRPC and address and "://" not in address:
        insecure = given("INSECURE")[1].lower() == "true"
        address = f"{'http' if insecure else 'https'}://{address}"
    endpoint, query = addresses.otlp_address(variable, address, protocol)
    if not variable.startswith("OTEL_EXPORTER_OTLP_LOGS_"):  # that one is used as it is
        endpoint = addresses.with_otlp_path(endpoint, variable, protocol)
    files = {}
    for kind in () if own else ("certificate", "client_key", "client_certificate"):
        variable, path = given(kind.upper())
        if path and endpoint.startswith("https:") and not _is_readable(path):
            raise UnusableError(f"{variable} names a file that cannot be read; correct its path, or unset it")
        if path:
            files[kind] = path
    headers = addresses.otlp_headers(*given("HEADERS"), protocol)
    return DestinationConfig(
        "otlp", endpoint=endpoint, query=query, headers=headers, protocol=protocol, files=files
    )


@cache  # the first event reads no file
def entry_points_of(name: str) -> tuple[EntryPoint, ...]:
    """Return the installed log exporters of that name."""
    from importlib.metadata import entry_points  # noqa: PLC0415  # opted out, nobody needs it

    return tuple(entry_points(group="opentelemetry_logs_exporter", name=name))


def _read_entry_point(name: str, _: Mapping[str, str]) -> DestinationConfig:
    if name and entry_points_of(name):
        return DestinationConfig(name)
    which = f"{'a' if name else 'an empty'} name that"
    if get_close_matches(name.lower(), (*_READERS, "none")):  # anything else may be a secret
        which = f"the name {name!r}, which"
    raise UnusableError(
        f"{env.MEM0_TELEMETRY_EXPORTER} has {which} is no installed exporter; "
        "use posthog, otlp, console, none, or the name of an installed opentelemetry_logs_exporter"
    )


@cache  # as above
def _is_readable(path: str) -> bool:
    return os.access(path, os.R_OK)


def _require_otlp(protocol: str) -> None:
    needed = ["opentelemetry.exporter.otlp.proto.common"] + ["grpc"] * (protocol == addresses.GRPC)
    if not all(map(_is_installed, needed)):
        raise UnusableError(
            f"{env.MEM0_TELEMETRY_EXPORTER} or {env.MEM0_TELEMETRY_OTLP_ENDPOINT} chooses otlp, which is not "
            f"installed for {protocol}; pip install 'mem0-telemetry[otlp]'"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # what it is in
        return False
    except ValueError:  # somebody has put a module there that has no spec
        return True


_POSTHOG_KEY = re.compile(r"phc_[A-Za-z0-9_-]{1,60}")
"""PostHog refuses longer ones."""
_OWN_PREFIX = "MEM0_TELEMETRY_OTLP_"
_OWN_OTLP = (
    env.MEM0_TELEMETRY_OTLP_ENDPOINT,
    env.MEM0_TELEMETRY_OTLP_HEADERS,
    env.MEM0_TELEMETRY_OTLP_PROTOCOL,
)
_OWN_POSTHOG = (env.MEM0_TELEMETRY_POSTHOG_HOST, env.MEM0_TELEMETRY_POSTHOG_API_KEY)
_READERS = {"posthog": _read_posthog, "otlp": _read_otlp, "console": _read_console}

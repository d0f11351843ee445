# SPDX-License-Identifier: Apache-2.0
"""Read from the environment which destinations are chosen. Uses only the standard library and builds no exporter.

Only this module reads the variables that decide *where* data goes; no exporter of ours reads them. An unusable
value gives *no* destination, never the default one: a typo must not send data to the vendor. A problem's text never
repeats the value of a variable, which may be a secret, except a name that is close to the name of an exporter.
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
"""Mem0's PostHog *project* key: public, write-only, and part of every release of mem0ai."""
VENDOR_HOST = "https://us.i.posthog.com"

_VENDOR_HOSTS = ("us.i.posthog.com", "us.posthog.com", "app.posthog.com")
"""Three names of the same host: the PostHog client maps the last two to the first."""


@dataclass(frozen=True, slots=True, repr=False)  # it holds secrets
class DestinationConfig:
    """The settings of one chosen destination, as plain values."""

    name: str
    """The exporter's name, as in `MEM0_TELEMETRY_EXPORTER`."""
    endpoint: str = ""
    """The URL to post to, normalized and without credentials, or "" if the exporter has no address."""
    query: str = ""
    """The query of that URL. It may be a secret, so it is sent but never shown."""
    api_key: str = ""
    """PostHog project key."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """For OTLP, with names in lower case."""
    protocol: str = ""
    """For OTLP, `http/protobuf` or `grpc`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What a third-party exporter may read its address from; only for the fingerprint, since it may hold secrets."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths of `certificate`, `client_key` and `client_certificate`, if the standard variables set them."""

    @property
    def is_vendor(self) -> bool:
        """Return whether this is PostHog at Mem0's own host, whatever the port, the path and the key are."""
        authority = self.endpoint.partition("://")[2].partition("/")[0]
        return self.name == "posthog" and authority.partition(":")[0] in _VENDOR_HOSTS

    @property
    def url(self) -> str:
        """Return the endpoint with its query: the URL to post to, which must never be shown."""
        return f"{self.endpoint}?{self.query}" if self.query else self.endpoint

    @property
    def fingerprint(self) -> str:
        """Return 12 hex digits of the address and its credentials. They name its mailbox, which no other one uses."""
        others = sorted(f"{name}={value}" for name, value in {**self.headers, **self.variables}.items())
        text = "\0".join((self.url, self.api_key, self.protocol, *others))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Destinations:
    """The destinations that the environment chooses; empty by default."""

    configs: tuple[DestinationConfig, ...] = ()
    """The usable destinations, in the given order."""
    problems: tuple[str, ...] = ()
    """One sentence for each unusable setting. It names the variable and the remedy."""
    remarks: tuple[str, ...] = ()
    """One sentence for variables that are set but have no effect."""
    none: bool = False
    """Whether `none` was chosen."""

    @property
    def reason_for_none(self) -> str | None:
        """Return why nothing can be sent, or None if there is a destination."""
        if self.configs:
            return None
        if self.none:
            return f"{env.MEM0_TELEMETRY_EXPORTER} chooses none"
        return "; ".join(self.problems)


def resolve(environ: Mapping[str, str]) -> Destinations:
    """Read the destinations from `environ`. Never raises, logs, imports an exporter or uses the network."""
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
        # It may be a misspelled opt-out from Mem0's channel, so it stops PostHog, at any host, but no other backend.
        configs = [config for config in configs if config.name != "posthog"]
        sentence = env.problem_of_unread(unread, stops_posthog="posthog" in chosen)
        if "posthog" in chosen:
            problems.append(sentence)
        else:
            remarks = (sentence,)
    return Destinations(tuple(configs), tuple(problems), remarks)


def _chosen(environ: Mapping[str, str]) -> dict[str, None]:
    """Return the chosen names without duplicates; without a choice, `otlp` if its variables are set, else `posthog`."""
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
    """Read our own variables if one is set, else the standard ones; those for logs take precedence."""
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
    if not variable.startswith("OTEL_EXPORTER_OTLP_LOGS_"):  # a signal's own endpoint gets no path
        endpoint = addresses.with_otlp_path(endpoint, variable, protocol)
    elif address.partition("?")[0].endswith("/") and "/" in endpoint.partition("://")[2]:
        endpoint += "/"  # it is used as it is
    files = {}
    for kind in () if own else ("certificate", "client_key", "client_certificate"):
        variable, path = given(kind.upper())
        if path and endpoint.startswith("https:") and not _is_readable(path):
            raise UnusableError(f"{variable} names a file that cannot be read; correct its path, or unset it")
        if path:
            files[kind] = path
    halves = ("client_key" in files) != ("client_certificate" in files)
    if halves and protocol == addresses.GRPC and endpoint.startswith("https:"):
        # gRPC would end the whole process.
        raise UnusableError(
            f"{given('CLIENT_KEY')[0]} and {given('CLIENT_CERTIFICATE')[0]} need each other for grpc; set both"
        )
    headers = addresses.otlp_headers(*given("HEADERS"), protocol)
    return DestinationConfig(
        "otlp", endpoint=endpoint, query=query, headers=headers, protocol=protocol, files=files
    )


@cache  # so that the first event reads no file
def entry_points_of(name: str) -> tuple[EntryPoint, ...]:
    """Return the installed log exporters with that name."""
    from importlib.metadata import entry_points  # noqa: PLC0415  # not needed when opted out

    return tuple(entry_points(group="opentelemetry_logs_exporter", name=name))


def _read_entry_point(name: str, environ: Mapping[str, str]) -> DestinationConfig:
    if entry_points_of(name):
        variables = {key: value for key, value in environ.items() if key.startswith("OTEL_EXPORTER_")}
        return DestinationConfig(name, variables={"": name, **variables})
    which = f"{'a' if name else 'an empty'} name that"
    if get_close_matches(name.lower(), (*_READERS, "none")):  # anything else may be a secret
        which = f"the name {name!r}, which"
    raise UnusableError(
        f"{env.MEM0_TELEMETRY_EXPORTER} has {which} is no installed exporter; "
        "use posthog, otlp, console, none, or the name of an installed opentelemetry_logs_exporter"
    )


@cache  # so that the first event reads no file
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
    except ModuleNotFoundError:  # its parent package is missing
        return False
    except ValueError:  # `sys.modules` has a module without a spec
        return True


_POSTHOG_KEY = re.compile(r"phc_[A-Za-z0-9_-]{1,60}")
"""PostHog refuses longer keys."""
_OWN_PREFIX = "MEM0_TELEMETRY_OTLP_"
_OWN_OTLP = (
    env.MEM0_TELEMETRY_OTLP_ENDPOINT,
    env.MEM0_TELEMETRY_OTLP_HEADERS,
    env.MEM0_TELEMETRY_OTLP_PROTOCOL,
)
_OWN_POSTHOG = (env.MEM0_TELEMETRY_POSTHOG_HOST, env.MEM0_TELEMETRY_POSTHOG_API_KEY)
_READERS = {"posthog": _read_posthog, "otlp": _read_otlp, "console": _read_console}

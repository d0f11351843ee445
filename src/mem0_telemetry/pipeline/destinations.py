"""Which destinations the environment chooses. Pure, standard library only, and nothing is built here.

Everything that decides *where* data goes is read here and nowhere else, so no exporter ever looks at the environment.
An unusable value gives *no* destination, never the default one: a typo must not send to the vendor. No problem repeats
the value of a variable: it may be a secret.
"""

from __future__ import annotations

from mem0_telemetry import environment_variables as env
from mem0_telemetry.pipeline.addresses import UnusableError, one_spelling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

VENDOR_API_KEY = "phc_hgJkUVJFYtmaJqrvf6CYN67TIQ8yhXAkWzUn9AMU4yX"
"""Mem0's PostHog *project* key: public, write-only, in every release of mem0ai."""
VENDOR_HOST = "https://us.i.posthog.com"
GRPC = "grpc"
HTTP_PROTOBUF = "http/protobuf"

_VENDOR_HOSTS = ("us.i.posthog.com", "us.posthog.com", "app.posthog.com")
"""Names of one host: the PostHog client maps the last two to the first."""
_LOCAL_ENDPOINTS = {GRPC: "http://localhost:4317", HTTP_PROTOBUF: "http://localhost:4318"}


class DestinationConfig:
    """One chosen destination, in plain values.

    Attributes:
        name: the exporter's name, as in `MEM0_TELEMETRY_EXPORTER`.
        endpoint: URL that is posted to, in its one spelling and without credentials, or "" where the exporter has none.
        api_key: PostHog project key, else "".
        headers: for OTLP, in lower case.
        protocol: for OTLP, `http/protobuf` or `grpc`, else "".
        files: paths of `certificate`, `client_key`, `client_certificate`, where the standard variables name them.
    """

    __slots__ = ("api_key", "endpoint", "files", "headers", "name", "protocol")

    def __init__(  # noqa: PLR0913  # plain values, by keyword
        self,
        name: str,
        *,
        endpoint: str = "",
        api_key: str = "",
        headers: Mapping[str, str] | None = None,
        protocol: str = "",
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.api_key = api_key
        self.headers = dict(headers or {})
        self.protocol = protocol
        self.files = dict(files or {})

    @property
    def is_vendor(self) -> bool:
        """Return whether this sends to Mem0: PostHog at Mem0's own host."""
        return is_vendor(self.name, self.endpoint)

    @property
    def fingerprint(self) -> str:
        """12 hex digits of endpoint and credentials: they name the mailbox, so no file ever goes to another address."""
        from hashlib import sha256  # noqa: PLC0415  # 8 ms, and not needed before the first kept event

        parts = (
            self.endpoint,
            self.api_key,
            self.protocol,
            *sorted(f"{k}={v}" for k, v in self.headers.items()),
        )
        return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]


class Destinations:
    """What the environment chooses: usable destinations, and what is wrong with the others, in words with the remedy.

    Attributes:
        configs: the usable ones, in the order given.
        problems: one sentence for each unusable one; each names its variable.
        none: whether `none` was chosen.
    """

    __slots__ = ("configs", "none", "problems")

    def __init__(
        self, configs: tuple[DestinationConfig, ...], problems: tuple[str, ...], *, none: bool
    ) -> None:
        self.configs = configs
        self.problems = problems
        self.none = none

    @property
    def reason_for_none(self) -> str | None:
        """Why nothing can be sent, or None where something can."""
        if self.configs:
            return None
        if self.none:
            return f"{env.MEM0_TELEMETRY_EXPORTER} chooses none"
        return "; ".join(self.problems)


NOTHING = Destinations((), (), none=False)
"""Before the environment was read."""


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
        return Destinations((), (str(error),), none=False)
    if "none" in chosen:
        return Destinations((), (), none=True)
    for name in chosen:
        reader = _READERS.get(name, _read_entry_point)
        try:
            configs.append(reader(name, environ))
        except UnusableError as error:
            problems.append(str(error))
    if unread := env.unread(environ):
        # It may be a no that is spelled wrong: destinations of the operator's own keep what they get.
        configs = [config for config in configs if config.name != "posthog"]
        problems.append(env.problem_of_unread(unread))
    return Destinations(tuple(configs), tuple(problems), none=False)


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
    if not key.startswith("phc_") or len(key) > _LONGEST_KEY or key.strip(_KEY_CHARACTERS):
        raise UnusableError(
            f"{env.MEM0_TELEMETRY_POSTHOG_API_KEY} is not a PostHog project key, which begins with phc_ and has "
            "letters, digits, _ and - only; a personal key (phx_…) must never leave this machine"
        )
    host = env.text(environ, env.MEM0_TELEMETRY_POSTHOG_HOST) or VENDOR_HOST
    endpoint = one_spelling(host, env.MEM0_TELEMETRY_POSTHOG_HOST, "https://eu.i.posthog.com")
    if endpoint.partition("://")[2] in _VENDOR_HOSTS:
        endpoint = VENDOR_HOST
    return DestinationConfig("posthog", endpoint=endpoint, api_key=key)


def _read_console(_: str, __: Mapping[str, str]) -> DestinationConfig:
    return DestinationConfig("console")


def _read_otlp(_: str, environ: Mapping[str, str]) -> DestinationConfig:
    _require_otlp()
    own = any(env.text(environ, name) for name in _OWN_OTLP)
    return _own_otlp(environ) if own else _standard_otlp(environ)


def _own_otlp(environ: Mapping[str, str]) -> DestinationConfig:
    variable = env.MEM0_TELEMETRY_OTLP_PROTOCOL
    protocol = _protocol(env.text(environ, variable) or HTTP_PROTOBUF, variable)
    variable = env.MEM0_TELEMETRY_OTLP_ENDPOINT
    endpoint = _endpoint(env.text(environ, variable), variable, protocol)
    variable = env.MEM0_TELEMETRY_OTLP_HEADERS
    headers = _headers(env.text(environ, variable), variable)
    return DestinationConfig(
        "otlp", endpoint=_with_path(endpoint, protocol), headers=headers, protocol=protocol
    )


def _standard_otlp(environ: Mapping[str, str]) -> DestinationConfig:
    """`OTEL_EXPORTER_OTLP_*` as the specification has them: the logs form wins, and is used as it is."""

    def signal_or_general(name: str) -> tuple[str, str]:
        for variable in (f"OTEL_EXPORTER_OTLP_LOGS_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
            if given := env.text(environ, variable):
                return variable, given
        return f"OTEL_EXPORTER_OTLP_{name}", ""

    variable, given = signal_or_general("PROTOCOL")
    protocol = _protocol(given or HTTP_PROTOBUF, variable)
    variable, given = signal_or_general("ENDPOINT")
    endpoint = _endpoint(given, variable, protocol)
    if not variable.startswith("OTEL_EXPORTER_OTLP_LOGS_"):
        endpoint = _with_path(endpoint, protocol)
    variable, given = signal_or_general("HEADERS")
    return DestinationConfig(
        "otlp",
        endpoint=endpoint,
        headers=_headers(given, variable),
        protocol=protocol,
        files={
            kind: path
            for kind in ("certificate", "client_key", "client_certificate")
            if (path := signal_or_general(kind.upper())[1])
        },
    )


def entry_points_of(name: str) -> tuple[EntryPoint, ...]:
    """Return the installed log exporters of that name. Looked for once: the first event reads no file."""
    if name not in _entry_points:
        from importlib.metadata import entry_points  # noqa: PLC0415  # 53 ms, and only for names that are not ours

        _entry_points[name] = tuple(entry_points(group="opentelemetry_logs_exporter", name=name))
    return _entry_points[name]


def _read_entry_point(name: str, _: Mapping[str, str]) -> DestinationConfig:
    if name and entry_points_of(name):
        return DestinationConfig(name)
    raise UnusableError(
        f"{env.MEM0_TELEMETRY_EXPORTER} has {'a' if name else 'an empty'} name that is no installed exporter; "
        "use posthog, otlp, console, none, or the name of an installed opentelemetry_logs_exporter"
    )


def _require_otlp() -> None:
    from importlib.util import find_spec  # noqa: PLC0415  # only where OTLP is chosen

    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.common")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise UnusableError(
            f"{env.MEM0_TELEMETRY_EXPORTER} or {env.MEM0_TELEMETRY_OTLP_ENDPOINT} chooses otlp, which is not "
            "installed; pip install 'mem0-telemetry[otlp]'"
        )


def _protocol(text: str, variable: str) -> str:
    protocol = text.lower()
    if protocol not in _LOCAL_ENDPOINTS:
        raise UnusableError(f"{variable} is neither {HTTP_PROTOBUF} nor {GRPC}")
    return protocol


def _endpoint(text: str, variable: str, protocol: str) -> str:
    # For gRPC a port is never the default one: without any it takes 443, whatever the scheme is.
    url = text or _LOCAL_ENDPOINTS[protocol]
    return one_spelling(url, variable, "https://otel.example.com:4318", keep_port=protocol == GRPC)


def _with_path(endpoint: str, protocol: str) -> str:
    return endpoint if protocol == GRPC or endpoint.endswith("/v1/logs") else f"{endpoint}/v1/logs"


def _headers(text: str, variable: str) -> dict[str, str]:
    """`name=value,name=value`, values URL-encoded (OTLP exporter specification, "Specifying headers")."""
    from urllib.parse import unquote  # noqa: PLC0415

    headers: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = item.partition("=")
        name, value = unquote(name).strip().lower(), unquote(value).strip()
        if not equals or not _is_token(name) or not value.isascii() or not (value or "-").isprintable():
            raise UnusableError(f"{variable} is not a list such as name=value,name2=value2")
        headers[name] = value
    return headers


def _is_token(name: str) -> bool:
    """Return whether `name` can be a header's (RFC 9110, 5.6.2)."""
    return bool(name) and name.isascii() and all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name)


_entry_points: dict[str, tuple[EntryPoint, ...]] = {}
_LONGEST_KEY = 64  # PostHog refuses longer ones
_KEY_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_OWN_OTLP = (
    env.MEM0_TELEMETRY_OTLP_ENDPOINT,
    env.MEM0_TELEMETRY_OTLP_HEADERS,
    env.MEM0_TELEMETRY_OTLP_PROTOCOL,
)
_OWN_POSTHOG = (env.MEM0_TELEMETRY_POSTHOG_HOST, env.MEM0_TELEMETRY_POSTHOG_API_KEY)
_READERS = {"posthog": _read_posthog, "otlp": _read_otlp, "console": _read_console}

"""Which destinations the environment chooses. Pure, standard library only, and nothing is built here.

Everything that decides *where* data goes is read here and nowhere else, so no exporter ever looks at the environment.
An unusable value gives *no* destination, never the default one: a typo must not send to the vendor. No problem repeats
the value of a variable: it may be a secret.
"""

from __future__ import annotations

from mem0_telemetry import environment_variables as env
from mem0_telemetry.pipeline import addresses
from mem0_telemetry.pipeline.addresses import UnusableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

VENDOR_API_KEY = "phc_hgJkUVJFYtmaJqrvf6CYN67TIQ8yhXAkWzUn9AMU4yX"
"""Mem0's PostHog *project* key: public, write-only, in every release of mem0ai."""
VENDOR_HOST = "https://us.i.posthog.com"

_VENDOR_HOSTS = ("us.i.posthog.com", "us.posthog.com", "app.posthog.com")
"""Names of one host: the PostHog client maps the last two to the first."""


class DestinationConfig:
    """One chosen destination, in plain values.

    Attributes:
        name: the exporter's name, as in `MEM0_TELEMETRY_EXPORTER`.
        endpoint: URL that is posted to, in its one spelling and without credentials, or "" where the exporter has none.
        query: the rest of that URL, which may be a secret: it is sent, and shown nowhere.
        api_key: PostHog project key, else "".
        headers: for OTLP, in lower case.
        protocol: for OTLP, `http/protobuf` or `grpc`, else "".
        files: paths of `certificate`, `client_key`, `client_certificate`, where the standard variables name them.
    """

    __slots__ = ("api_key", "endpoint", "files", "headers", "name", "protocol", "query")

    def __init__(  # noqa: PLR0913  # plain values, by keyword
        self,
        name: str,
        *,
        endpoint: str = "",
        query: str = "",
        api_key: str = "",
        headers: Mapping[str, str] | None = None,
        protocol: str = "",
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.query = query
        self.api_key = api_key
        self.headers = dict(headers or {})
        self.protocol = protocol
        self.files = dict(files or {})

    @property
    def is_vendor(self) -> bool:
        """Return whether this sends to Mem0: PostHog at Mem0's own host."""
        return is_vendor(self.name, self.endpoint)

    @property
    def url(self) -> str:
        """The endpoint with its query: what is posted to, and never shown."""
        return f"{self.endpoint}?{self.query}" if self.query else self.endpoint

    @property
    def fingerprint(self) -> str:
        """12 hex digits of endpoint and credentials: they name the mailbox, so no file ever goes to another address."""
        from hashlib import sha256  # noqa: PLC0415  # 8 ms, and not needed before the first kept event

        parts = (
            self.url,
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
    endpoint = addresses.one_spelling(host, env.MEM0_TELEMETRY_POSTHOG_HOST, "https://eu.i.posthog.com")
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
    def given(name: str) -> tuple[str, str]:
        return name, env.text(environ, name)

    protocol = addresses.otlp_protocol(*given(env.MEM0_TELEMETRY_OTLP_PROTOCOL))
    endpoint, query = addresses.otlp_address(*given(env.MEM0_TELEMETRY_OTLP_ENDPOINT), protocol)
    return DestinationConfig(
        "otlp",
        endpoint=addresses.with_otlp_path(endpoint, protocol),
        query=query,
        headers=addresses.otlp_headers(*given(env.MEM0_TELEMETRY_OTLP_HEADERS), protocol),
        protocol=protocol,
    )


def _standard_otlp(environ: Mapping[str, str]) -> DestinationConfig:
    """`OTEL_EXPORTER_OTLP_*` as the specification has them: the logs form wins, and is used as it is."""

    def signal_or_general(name: str) -> tuple[str, str]:
        for variable in (f"OTEL_EXPORTER_OTLP_LOGS_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
            if given := env.text(environ, variable):
                return variable, given
        return f"OTEL_EXPORTER_OTLP_{name}", ""

    protocol = addresses.otlp_protocol(*signal_or_general("PROTOCOL"))
    variable, address = signal_or_general("ENDPOINT")
    if protocol == addresses.GRPC and address and "://" not in address:
        insecure = signal_or_general("INSECURE")[1].lower() == "true"
        address = f"{'http' if insecure else 'https'}://{address}"
    endpoint, query = addresses.otlp_address(variable, address, protocol)
    if not variable.startswith("OTEL_EXPORTER_OTLP_LOGS_"):
        endpoint = addresses.with_otlp_path(endpoint, protocol)
    return DestinationConfig(
        "otlp",
        endpoint=endpoint,
        query=query,
        headers=addresses.otlp_headers(*signal_or_general("HEADERS"), protocol),
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

"""Tests of the chosen destination: which one the set variables mean, and that each address has one spelling."""

from __future__ import annotations

import pytest

from mem0_telemetry.pipeline.destinations import VENDOR_HOST, DestinationConfig, resolve


def the_one(**environ: str) -> DestinationConfig:
    """Return the one destination that `environ` chooses."""
    chosen = resolve(environ)
    assert chosen.problems == ()
    (config,) = chosen.configs
    return config


OWN = {"MEM0_TELEMETRY_OTLP_ENDPOINT": "http://c:4318"}


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("http://c:4318", "http://c:4318/v1/logs"),
        ("http://c:4318/v1/logs", "http://c:4318/v1/logs"),
        ("http://C.:4318/base/v1/logs/", "http://c:4318/base/v1/logs"),
        ("http://c:80", "http://c/v1/logs"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/logs"),
    ],
)
def test_an_endpoint_alone_chooses_otlp(given: str, endpoint: str) -> None:
    """An OTLP endpoint without a chosen exporter is the only destination, and its path for logs is not doubled."""
    config = the_one(MEM0_TELEMETRY_OTLP_ENDPOINT=given)
    assert (config.name, config.endpoint) == ("otlp", endpoint)


def test_a_grpc_endpoint_keeps_its_port() -> None:
    """A gRPC endpoint keeps port 80, because gRPC without a port uses 443 even for `http`."""
    own = {"MEM0_TELEMETRY_OTLP_PROTOCOL": "grpc", "MEM0_TELEMETRY_OTLP_ENDPOINT": "http://c:80"}
    assert the_one(**own).endpoint == "http://c:80"


@pytest.mark.parametrize(
    "environ",
    [
        {"MEM0_TELEMETRY_OTLP_HEADERS": "k=v"},
        {"MEM0_TELEMETRY_OTLP_PROTOCOL": "grpc"},
        {**OWN, "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_own"},
        {**OWN, "MEM0_TELEMETRY_POSTHOG_HOST": "https://ph.example.com"},
        {"MEM0_TELEMETRY_OTLP_HEADERS": "k=v", "MEM0_TELEMETRY_POSTHOG_HOST": "https://ph.example.com"},
    ],
    ids=lambda environ: "+".join(name.removeprefix("MEM0_TELEMETRY_") for name in environ),
)
def test_settings_without_an_address_choose_no_destination(environ: dict[str, str]) -> None:
    """Headers without an address, or settings of two exporters, choose no destination, and never the vendor."""
    chosen = resolve(environ)
    assert chosen.configs == ()
    (problem,) = chosen.problems
    assert "set " in problem or "say which" in problem
    assert all(value not in problem for value in environ.values() if len(value) > 5)


def test_settings_of_two_kinds_are_used_as_chosen() -> None:
    """If an exporter is chosen, settings of the other exporter are not a problem."""
    both = {**OWN, "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_own"}
    for names in (["otlp"], ["posthog"], ["posthog", "otlp"]):
        chosen = resolve({"MEM0_TELEMETRY_EXPORTER": ",".join(names), **both})
        assert ([config.name for config in chosen.configs], chosen.problems) == (names, ())


@pytest.mark.parametrize("nothing", ["", " ", "''", '""'])
@pytest.mark.parametrize(
    "name",
    ["EXPORTER", "POSTHOG_API_KEY", "POSTHOG_HOST", "OTLP_ENDPOINT", "OTLP_HEADERS", "OTLP_PROTOCOL"],
)
def test_an_empty_variable_is_unset(name: str, nothing: str) -> None:
    """As in OpenTelemetry, an empty variable counts as unset, even in the quotes that Docker's `--env-file` keeps."""
    for others in (
        {},
        OWN,
        {"MEM0_TELEMETRY_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"},
    ):
        unset = {key: value for key, value in others.items() if key != f"MEM0_TELEMETRY_{name}"}
        (expected,) = resolve(unset).configs
        (config,) = resolve({**others, f"MEM0_TELEMETRY_{name}": nothing}).configs
        assert (config.name, config.endpoint, config.fingerprint) == (
            expected.name,
            expected.endpoint,
            expected.fingerprint,
        )


@pytest.mark.parametrize("quote", ["'", '"', " "])
def test_quotes_around_a_value_are_removed(quote: str) -> None:
    """Quotes around a value, which `docker run --env-file` keeps, are removed."""
    plain = {
        "MEM0_TELEMETRY_EXPORTER": "posthog,otlp",
        "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_own-Key_1",
        "MEM0_TELEMETRY_POSTHOG_HOST": "https://ph.example.com",
        "MEM0_TELEMETRY_OTLP_ENDPOINT": "http://c:4318",
        "MEM0_TELEMETRY_OTLP_HEADERS": 'a="b"',
        "MEM0_TELEMETRY_OTLP_PROTOCOL": "grpc",
    }
    quoted = resolve({name: f"{quote}{value}{quote}" for name, value in plain.items()})
    assert quoted.problems == ()
    assert [config.fingerprint for config in quoted.configs] == [
        c.fingerprint for c in resolve(plain).configs
    ]
    assert quoted.configs[0].api_key == "phc_own-Key_1"


@pytest.mark.parametrize(
    "spelling",
    [
        "https://US.i.PostHog.com",
        "HTTPS://us.i.posthog.com/",
        "https://us.i.posthog.com:443",
        "https://us.i.posthog.com:00443/",
        "https://us.i.posthog.com.",
        "https://us.i.posthog.com.:443//",
        "https://us.i.posthog.com:",
        "http://us.i.posthog.com",
        "http://us.i.posthog.com:80",
        "https://app.posthog.com",
        "https://us.posthog.com",
        "https://\uff55\uff53.i.posthog.com",
        "https://us\u3002i\u3002posthog\u3002com",
        "'https://us.i.posthog.com'",
    ],
    ids=ascii,
)
def test_the_vendor_in_another_spelling_is_the_vendor(spelling: str) -> None:
    """Each spelling of Mem0's own host means the vendor, and has the same address and spool directory."""
    config = the_one(MEM0_TELEMETRY_POSTHOG_HOST=spelling)
    assert config.is_vendor is True
    assert (config.endpoint, config.fingerprint) == (VENDOR_HOST, the_one().fingerprint)


def test_the_vendors_host_at_another_port_or_path_is_the_vendor() -> None:
    """Mem0's host with another port or path is still the vendor; a host that only looks similar is not."""
    for host in (
        "https://us.i.posthog.com:8443",
        "https://us.i.posthog.com/x",
        "http://us.i.posthog.com:443",
    ):
        config = the_one(MEM0_TELEMETRY_POSTHOG_HOST=host)
        assert (config.is_vendor, config.endpoint) == (True, host)
    for host in ("https://us.i.posthog.com.example.com", "https://example.com/us.i.posthog.com"):
        assert the_one(MEM0_TELEMETRY_POSTHOG_HOST=host).is_vendor is False
    assert not DestinationConfig("otlp", endpoint=VENDOR_HOST).is_vendor

"""`mem0-telemetry demo`: real Mem0 with fake servers, switched on and off.

Everything runs on this machine: no key, no network. The exit status is 0 only where all of it was observed.
"""

from __future__ import annotations

__all__ = ["main"]


def main(*, verbose: bool) -> int:
    """Run the demonstration, or say what has to be installed for it: mem0ai and the extra `[otlp]`."""
    from importlib.util import find_spec  # noqa: PLC0415

    from mem0_telemetry.cli.console import failed  # noqa: PLC0415
    from mem0_telemetry.environment_variables import MEM0_TELEMETRY_EXPORTER  # noqa: PLC0415
    from mem0_telemetry.pipeline import destinations  # noqa: PLC0415

    if find_spec("mem0") is None:
        return failed("demo uses real Mem0, which is not installed: pip install mem0ai")
    if destinations.resolve({MEM0_TELEMETRY_EXPORTER: "otlp"}).problems:
        return failed(
            "demo sends to a fake OTLP backend too, and the exporters for that are not installed: the extra [otlp]"
        )
    from mem0_telemetry.cli.demo.run import run  # noqa: PLC0415  # everything heavy is behind this door

    return run(verbose=verbose)

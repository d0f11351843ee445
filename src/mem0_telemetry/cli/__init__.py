# SPDX-License-Identifier: Apache-2.0
"""The command `mem0-telemetry`: see what is sent, prove it, and stop it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import TextIO

from mem0_telemetry.version import __version__

__all__ = ["main"]

_DESCRIPTION = """\
See what Mem0's usage telemetry sends, prove it, and stop it. This command is about every process that uses
mem0-telemetry with the same MEM0_DIR as here (~/.mem0 by default). Each of these alone switches telemetry off:
`mem0-telemetry disable`, MEM0_TELEMETRY=False, DO_NOT_TRACK=1, OTEL_SDK_DISABLED=true."""
_EPILOG = """\
Exit status: 0 means done; 1 means that something failed, or that a promise does not hold; 2 means that the command was
not understood, or that `verify` could not check something. `status`, `show` and `events` create nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's own arguments) and return its exit status."""
    _prepare_output()
    try:
        try:
            return _run(argv)
        finally:
            # Flush here: a closed pipe or a full disk is then handled below, not by the interpreter at its exit.
            sys.stdout.flush()
            sys.stderr.flush()
    except OSError as error:  # The output cannot be written, for example because the disk is full.
        _discard(sys.stdout)
        if isinstance(error, BrokenPipeError):  # The reader, such as `head`, closed the pipe early.
            return 0
        try:
            print(f"mem0-telemetry: {error}", file=sys.stderr, flush=True)
        except OSError:
            _discard(sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    arguments = vars(parser.parse_args(argv))
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    # Each command loads its own module only: `status` needs no OpenTelemetry SDK and no fake server.
    run: Callable[..., int] = import_module(f"mem0_telemetry.cli.{arguments.pop('module')}").run
    return run(**arguments)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("mem0-telemetry", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mem0-telemetry {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, help_text: str, module: str, **arguments: str) -> ArgumentParser:
        description = f"{help_text[0].upper()}{help_text[1:]}."
        command = commands.add_parser(name, help=help_text, description=description, allow_abbrev=False)
        command.set_defaults(module=module, **arguments)
        return command

    status = add(
        "status", "say whether telemetry is on here and why, and how many events are unsent", "status"
    )
    status.add_argument("--json", action="store_true", dest="as_json", help="print the same as JSON")
    status.add_argument("--check", action="store_true", help="exit with status 1 if telemetry is off")
    show = add("show", "print the unsent events and what was sent last", "show")
    show.add_argument(
        "--all", action="store_true", dest="everything", help="print all, not only the newest 5"
    )
    raw = "print each batch byte for byte as it is stored, and the request that it becomes (the default in a pipe)"
    show.add_argument("--raw", action="store_true", help=raw)
    events = add("events", "list everything that may ever be sent", "document")
    form = events.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print the page TELEMETRY.md")
    form.add_argument("--json", action="store_true", dest="as_json", help="print the same as JSON")
    add("verify", "prove on this machine that off is off, and that only declared fields are sent", "verify")
    demo = add("demo", "run real Mem0 with fake servers, with telemetry on and off", "demo")
    demo.add_argument("--verbose", action="store_true", help="also print an event and a log record in full")
    choices = {
        "disable": "switch telemetry off; delete waiting events, the history and the id",
        "enable": "undo `disable`; everything else that says off still applies",
        "reset-id": "make a new random id; delete waiting events and the history",
        "clean": "delete waiting events, the history and the id",
    }
    for name, help_text in choices.items():
        add(name, help_text, "choices", choice=name)
    return parser


def _prepare_output() -> None:
    """Print characters outside the output's encoding as escapes, and print nothing if an output is closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115  # It stays open until the process exits.
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard(stream: TextIO) -> None:
    """Redirect the stream to the null device: otherwise the interpreter would fail to flush it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

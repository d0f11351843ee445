"""The command `mem0-telemetry`: see what is sent, prove it, and stop it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Callable, Sequence
    from typing import TextIO

__all__ = ["main"]

_DESCRIPTION = """\
Mem0's usage telemetry: see what is sent, prove it, and stop it.

It governs the processes that use mem0-telemetry with this MEM0_DIR. Anything
off wins: this command, MEM0_TELEMETRY=False, DO_NOT_TRACK=1,
OTEL_SDK_DISABLED=true.
"""

_EPILOG = """\
Exit status: 0 done; 1 not done, or not as promised; 2 the command was not
understood, or `verify` could not check. `status` and `show` create nothing.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's own arguments) and return its exit status."""
    _prepare_output()
    try:
        try:
            parser = _parser()
            arguments = vars(parser.parse_args(argv))
            if "run" not in arguments:
                parser.print_help(sys.stderr)
                return 2
            run: Callable[..., int] = arguments.pop("run")
            return run(**arguments)
        finally:
            # Here, where a pipe that nobody reads any more can be told from an error.
            sys.stdout.flush()
            sys.stderr.flush()
    except BrokenPipeError:  # `| head` has seen enough
        _let_go(sys.stdout)
        return 0
    except OSError as error:  # the disk that the output goes to is full, say
        _let_go(sys.stdout)
        try:
            print(f"mem0-telemetry: {error}", file=sys.stderr, flush=True)
        except OSError:
            _let_go(sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _prepare_output() -> None:
    """Print what a terminal's encoding lacks as escapes, and to nowhere where an output is closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115  # for as long as the process lasts
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="mem0-telemetry",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_looking(commands)
    _add_choosing(commands)
    return parser


def _add_looking(commands: _SubParsersAction[ArgumentParser]) -> None:
    status = _add(commands, "status", "is it on here, who says so, and what waits", _status)
    status.add_argument("--json", action="store_true", dest="as_json", help="for programs")
    status.add_argument("--check", action="store_true", help="exit status 1 where telemetry is off")
    show = _add(commands, "show", "what waits to be sent and what was sent last", _show)
    show.add_argument("--all", action="store_true", dest="everything", help="all, and not the newest 5 only")
    show.add_argument(
        "--raw",
        action="store_true",
        help="byte for byte, as it lies and as it is sent; so without a terminal",
    )
    events = _add(commands, "events", "everything that may ever be sent", _events)
    form = events.add_mutually_exclusive_group()
    for name, help_text in (("markdown", "as TELEMETRY.md"), ("json", "for programs")):
        form.add_argument(f"--{name}", action="store_const", const=name, dest="form", help=help_text)
    _add(commands, "verify", "prove here that off is off and on is no more than said", _verify)
    demo = _add(commands, "demo", "real Mem0 with fake servers, switched on and off", _demo)
    demo.add_argument("--verbose", action="store_true", help="print an event and a log record in full")


def _add_choosing(commands: _SubParsersAction[ArgumentParser]) -> None:
    for name, help_text in (
        ("disable", "switch it off for good; delete what waits, the history, and the id"),
        ("enable", "withdraw `disable`; whatever else says off still does"),
        ("reset-id", "make a fresh random id; delete what waits, and the history"),
        ("clean", "delete what waits, the history, and the id"),
    ):
        _add(commands, name, help_text, _choose).set_defaults(choice=name)


def _add(
    commands: _SubParsersAction[ArgumentParser], name: str, help_text: str, run: Callable[..., int]
) -> ArgumentParser:
    description = f"{help_text[0].upper()}{help_text[1:]}."
    command = commands.add_parser(name, help=help_text, description=description, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def _status(*, as_json: bool, check: bool) -> int:
    from mem0_telemetry.cli import status  # noqa: PLC0415  # each command loads what it needs, and no more

    return status.run(as_json=as_json, check=check)


def _show(*, everything: bool, raw: bool) -> int:
    from mem0_telemetry.cli import show  # noqa: PLC0415

    return show.run(everything=everything, raw=raw or not sys.stdout.isatty())


def _events(*, form: str | None) -> int:
    from mem0_telemetry.cli import document  # noqa: PLC0415

    return document.run(form)


def _verify() -> int:
    from mem0_telemetry.cli import verify  # noqa: PLC0415

    return verify.run()


def _demo(*, verbose: bool) -> int:
    from mem0_telemetry.cli import demo  # noqa: PLC0415

    return demo.main(verbose=verbose)


def _choose(*, choice: str) -> int:
    from mem0_telemetry.cli import choices  # noqa: PLC0415

    return choices.run(choice)


def _version() -> str:
    from mem0_telemetry.version import __version__  # noqa: PLC0415

    return f"mem0-telemetry {__version__}"


def _let_go(stream: TextIO) -> None:
    """Leave nothing for the interpreter to flush at exit into an output that takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""On import, make the process print `HEARD` and the record on stderr for each record that we must not log."""

from __future__ import annotations

import logging
import sys

_APPLICATION = {"mem0", "httpx"}
"""Real Mem0 and its HTTP client log a lot themselves, on the application's threads."""


class _Listener(logging.Handler):
    """A handler of the root logger for every level, as in an application that logs everything."""

    def emit(self, record: logging.LogRecord) -> None:
        ours = (record.threadName or "").startswith("mem0-telemetry-")
        if record.name.partition(".")[0] in _APPLICATION and not ours:
            return
        if record.levelno > logging.DEBUG or (ours and record.name != "mem0_telemetry"):
            text = f"{record.levelname} {record.name} in {record.threadName}: {record.getMessage()}"
            sys.stderr.write(f"HEARD {text}\n")


logging.getLogger().addHandler(_Listener())
logging.getLogger().setLevel(logging.DEBUG)

"""Being called when the process ends, in the ways in which Python tells."""

from __future__ import annotations

import atexit
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ExitHook:
    """Calls back at interpreter exit, and at the end of a `multiprocessing` child, which has no `atexit`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._registered = False

    def register(self) -> None:
        """From now on; once in a process, and once more in each forked child."""
        if not self._registered:  # a forked child has inherited it
            self._registered = True
            atexit.register(self._callback)
        util = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if util is not None and process is not None and process.parent_process() is not None:
            util.Finalize(None, self._callback, exitpriority=0)


def is_exiting_here() -> bool:
    """Whether the calling code runs at interpreter exit (in an `atexit` function, or later).

    Then the main thread has ended but is the one that runs. A main thread that has ended while others work on
    for hours is no exit.
    """
    main = threading.main_thread()
    return not main.is_alive() and main.ident == threading.get_ident()

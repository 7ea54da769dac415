"""Runs a module with a profiler at hand: ``python bench/profiled.py FILE -m MODULE ARGUMENT…``.

SIGUSR1 begins to profile the main thread, SIGUSR2 ends it and writes FILE: so that what a start costs is no part of it.
"""

from __future__ import annotations

import cProfile
import runpy
import signal
import sys


def main() -> None:
    """Until the module ends."""
    file, _, module = sys.argv[1:4]
    profile = cProfile.Profile()

    def end(*_: object) -> None:
        profile.disable()
        profile.dump_stats(file)

    signal.signal(signal.SIGUSR1, lambda *_: profile.enable())
    signal.signal(signal.SIGUSR2, end)
    sys.argv[1:4] = []
    sys.path.pop(0)  # this folder, which the module would not have
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

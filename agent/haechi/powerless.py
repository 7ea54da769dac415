"""Commands that are run with less than the agent may do."""

from __future__ import annotations

from pathlib import Path


def powerless() -> tuple[str, ...]:
    """What to put before a command so that it gets none of the service's capabilities: what reads strangers' bytes must
    not be able to read every file.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        ambient = next(line.split()[1] for line in status.splitlines() if line.startswith("CapAmb:"))
        return ("setpriv", "--ambient-caps=-all", "--") if int(ambient, 16) else ()
    except (OSError, StopIteration, ValueError):
        return ()

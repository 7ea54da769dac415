"""Who opens tagged files, seen by the kernel's fanotify and remembered over restarts."""

from haechi.outbound.reads.watch import ReadWatch

__all__ = ["ReadWatch"]

"""An institution on this machine: its keys, registry and settings, an S3 store, and a real agent in its own process.

Used by the end-to-end tests, the demo and the benchmarks, so that all three drive the very same thing.
"""

from tests.lab.institution import SEALING_OWNER, Institution, Member
from tests.lab.laboratory import Finished, Laboratory

__all__ = ["SEALING_OWNER", "Finished", "Institution", "Laboratory", "Member"]

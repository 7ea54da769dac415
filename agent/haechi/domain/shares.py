"""Reads by process, within bounds that nobody can use up for others.

Theory. Each read is charged to the users whom it was made for. Nobody has more than ``each``, and all together no more
than ``most``; where that is too little, the oldest of whoever has most go. So a user who begins processes without end
is forgotten before anybody else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from haechi.domain.reads import ProcessId, Read

Entry: TypeAlias = tuple[ProcessId, Read]


@dataclass(slots=True)
class Shares:
    """Not safe from several threads at once."""

    each: int
    most: int
    reads: dict[ProcessId, Read] = field(default_factory=dict)
    _of: dict[int, OrderedDict[ProcessId, None]] = field(default_factory=dict)

    def put(self, process: ProcessId, read: Read) -> list[Entry]:
        """Remember the read as the latest of this process; what had to go for it."""
        self.pop(process)
        self.reads[process] = read
        for user in read.charged:
            self._of.setdefault(user, OrderedDict())[process] = None
        gone: list[Entry] = []
        for user in read.charged:
            own = self._of.get(user, OrderedDict())
            if len(own) > self.each:
                gone.append(self._oldest(own))
        if len(self.reads) > self.most:
            gone.extend(self._thin())
        return gone

    def get(self, process: ProcessId) -> Read | None:
        """The latest read of this process."""
        return self.reads.get(process)

    def pop(self, process: ProcessId) -> Read | None:
        """Forget a process."""
        read = self.reads.pop(process, None)
        if read is not None:
            for user in read.charged:
                own = self._of[user]
                del own[process]
                if not own:
                    del self._of[user]
        return read

    def _oldest(self, own: OrderedDict[ProcessId, None]) -> Entry:
        process = next(iter(own))
        read = self.reads[process]
        self.pop(process)
        return process, read

    def _thin(self) -> Iterator[Entry]:
        """Make room for some more at once, so that who has most is not looked for at every read."""
        aim = self.most - self.most // 16
        for own in sorted(self._of.values(), key=len, reverse=True):
            for _ in range(-(-len(own) // 2)):
                if len(self.reads) <= aim or not own:
                    break
                yield self._oldest(own)
            if len(self.reads) <= aim:
                return

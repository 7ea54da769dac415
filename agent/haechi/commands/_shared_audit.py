"""The audit's folder as the agent shows it to officers: a ``Traversable`` over the control socket, read only."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from typing import IO, Any, Final

from haechi.inbound.control.client import call

PIECE: Final = 512 * 1024


class SharedFolder(Traversable):
    """The folder. Raises what ``client.call`` raises: ``control.not-allowed`` for whoever is no officer."""

    name = "audit"

    def iterdir(self) -> Iterator[SharedFile]:
        """Segments, checkpoints, keys."""
        return (SharedFile(name) for name in call("audit.files")["files"])

    def joinpath(self, *descendants: Any) -> SharedFile:
        """A file by its name."""
        return SharedFile(str(descendants[0]))

    def __truediv__(self, child: Any) -> SharedFile:
        return self.joinpath(child)

    def is_dir(self) -> bool:
        """It is."""
        return True

    def is_file(self) -> bool:
        """It is not."""
        return False

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        """A folder cannot be opened."""
        raise IsADirectoryError(self.name)

    def read_bytes(self) -> bytes:
        """The whole file."""
        with self.open("rb") as file:
            return bytes(file.read())

    def read_text(self, encoding: str | None = None) -> str:
        """The whole file as text."""
        return self.read_bytes().decode(encoding or "utf-8")

    def __str__(self) -> str:
        return self.name


class SharedFile(SharedFolder):
    """One file."""

    def __init__(self, name: str) -> None:
        self.name = name

    def iterdir(self) -> Iterator[SharedFile]:
        """Nothing lies in a file."""
        raise NotADirectoryError(self.name)

    def is_dir(self) -> bool:
        """It is not."""
        return False

    def is_file(self) -> bool:
        """Whether it is there."""
        return self.name in call("audit.files")["files"]

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        """Read its bytes; nothing else is offered."""
        if mode != "rb":
            raise PermissionError(self.name)
        return io.BufferedReader(_Pieces(self.name), PIECE)


class _Pieces(io.RawIOBase):
    """A file's bytes, asked for as they are wanted."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        self._at = (call("audit.files")["files"][self._name] if start is None else start) + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        asked = {"file": self._name, "offset": self._at, "most": min(len(buffer), PIECE)}
        data = base64.b64decode(call("audit.read", asked)["data"])
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

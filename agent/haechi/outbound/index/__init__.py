"""The index of protected content: SQLite for keeping, memory for looking up."""

from haechi.outbound.index.reading import FileReader, stamp_of
from haechi.outbound.index.sealing import SealedPrints
from haechi.outbound.index.sqlite import SqliteContentIndex

__all__ = ["FileReader", "SealedPrints", "SqliteContentIndex", "stamp_of"]

"""What is known of objects, in SQLite: those being assembled, and those that hold tagged content."""

from haechi.outbound.ledger.assemblies import SqliteAssemblies
from haechi.outbound.ledger.objects import SqliteObjectLedger

__all__ = ["SqliteAssemblies", "SqliteObjectLedger"]

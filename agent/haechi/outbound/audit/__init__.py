"""The hash-chained, checkpoint-signed record of decisions."""

from haechi.outbound.audit.log import AuditSettings, SegmentedAuditLog
from haechi.outbound.audit.verifying import Verification, verify

__all__ = ["AuditSettings", "SegmentedAuditLog", "Verification", "verify"]

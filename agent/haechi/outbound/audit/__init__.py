"""The hash-chained, checkpoint-signed record of decisions."""

from haechi.outbound.audit.limits import AuditSettings
from haechi.outbound.audit.log import SegmentedAuditLog
from haechi.outbound.audit.verifying import Verification, verify

__all__ = ["AuditSettings", "SegmentedAuditLog", "Verification", "verify"]

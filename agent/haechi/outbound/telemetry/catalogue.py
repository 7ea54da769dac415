"""Every metric there is. ``docs/metrics.md`` explains each; a test holds code, catalogue and page together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0)
"""Seconds: the bounds of durations, from a commit to a slow provider."""


class Kind(StrEnum):
    """What a metric is."""

    COUNTER = "counter"
    DURATION = "duration"
    TOTAL = "total"
    """A counter that its own part keeps: read when metrics are read."""
    GAUGE = "gauge"
    """A value that may fall, read the same way; not shown while there is none."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``labels`` have few values each, and none that a person chose."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("haechi_decisions_total", Kind.COUNTER, "Decisions made", ("effect", "operation")),
    Metric("haechi_records_delayed_total", Kind.COUNTER, "Decisions that left before their audit record", ("cause",)),
    Metric("haechi_audit_commit_seconds", Kind.DURATION, "Making one group of audit records durable"),
    Metric("haechi_destination_lookups_total", Kind.COUNTER, "Questions about destinations", ("answer",)),
    Metric("haechi_destination_reads_total", Kind.COUNTER, "Reads of a destination's facts", ("provider", "outcome")),
    Metric("haechi_destination_read_seconds", Kind.DURATION, "Reading one destination's facts", ("provider",)),
    Metric("haechi_actor_lookups_total", Kind.COUNTER, "Connections led back to a process", ("certainty",)),
    Metric("haechi_tunnels_total", Kind.COUNTER, "Connections that were not opened", ("outcome",)),
    Metric("haechi_changes_total", Kind.COUNTER, "Other signed data put in force", ("what",)),
    Metric("haechi_changes_refused_total", Kind.COUNTER, "Changed data not put in force", ("what", "cause")),
    Metric("haechi_permits_armed_total", Kind.COUNTER, "Exceptions and justifications taken up", ("kind",)),
    Metric("haechi_permits_used_total", Kind.COUNTER, "Uploads let go by one", ("kind",)),
    Metric("haechi_permits_refused_total", Kind.COUNTER, "Exceptions that were refused", ("why",)),
    Metric("haechi_fetches_total", Kind.COUNTER, "Times that a source was asked for documents", ("what", "outcome")),
    Metric("haechi_policy_sequence", Kind.GAUGE, "The number of the policies' issue in force"),
    Metric("haechi_policy_age_seconds", Kind.GAUGE, "How long ago the issue in force was issued"),
    Metric("haechi_policy_unconfirmed_seconds", Kind.GAUGE, "How long ago the policies' source was last reached"),
    Metric("haechi_registry_sequence", Kind.GAUGE, "The number of the registry in force"),
    Metric("haechi_registry_age_seconds", Kind.GAUGE, "How long ago the registry in force was issued"),
    Metric("haechi_registry_unconfirmed_seconds", Kind.GAUGE, "How long ago the registry was known to be the newest"),
    Metric("haechi_drift_open", Kind.GAUGE, "Open findings about containers that hold tagged content", ("kind",)),
    Metric("haechi_drift_age_seconds", Kind.GAUGE, "How long ago every such container was last looked at"),
    Metric("haechi_drift_looks_total", Kind.COUNTER, "Looks at containers that hold tagged content", ("outcome",)),
    Metric("haechi_drift_findings_total", Kind.COUNTER, "Steps of findings about such containers", ("kind", "state")),
    Metric("haechi_engine_restarts_total", Kind.COUNTER, "Engine workers that were lost and started again"),
    Metric("haechi_engine_doubts_total", Kind.COUNTER, "Times that the OPA server could not be relied on"),
    Metric("haechi_background_failures_total", Kind.COUNTER, "Work of the agent's own that ended with an error"),
    Metric("haechi_audit_refused_total", Kind.COUNTER, "Records that the audit could not take", ("cause",)),
    Metric("haechi_audit_outages_total", Kind.COUNTER, "Times the audit could not write", ("cause",)),
    Metric("haechi_audit_torn_total", Kind.COUNTER, "Ends of the audit that a crash had cut"),
    Metric("haechi_audit_lost_total", Kind.COUNTER, "Records that nothing but their number is left of"),
    Metric("haechi_control_refused_total", Kind.COUNTER, "Calls on the control socket turned away", ("cause",)),
    Metric("haechi_notices_dropped_total", Kind.COUNTER, "Desktop notices not shown", ("cause",)),
    Metric("haechi_requests_failed_total", Kind.TOTAL, "Requests that could not be judged, and were refused"),
    Metric("haechi_requests_abandoned_total", Kind.TOTAL, "Requests whose client went away before the verdict"),
    Metric("haechi_spool_full_total", Kind.TOTAL, "Bodies that there was no room left to hold back"),
    Metric("haechi_names_refused_total", Kind.TOTAL, "Names that no certificate was made for"),
    Metric("haechi_envoy_restarts_total", Kind.TOTAL, "Times that Envoy ended and was started again"),
    Metric("haechi_reads_seen_total", Kind.TOTAL, "Openings of tagged files that were seen"),
    Metric("haechi_reads_unattributed_total", Kind.TOTAL, "Openings whose process was gone before it could be asked"),
    Metric("haechi_reads_overflows_total", Kind.TOTAL, "Times the kernel dropped openings"),
    Metric("haechi_watch_dropped_total", Kind.TOTAL, "Changes of files that there was no room left to note"),
    Metric("haechi_watch_overflows_total", Kind.TOTAL, "Times that the kernel dropped events of files"),
    Metric("haechi_watch_failures_total", Kind.TOTAL, "Times that changed files could not be looked at"),
    Metric("haechi_log_lines_lost_total", Kind.TOTAL, "Lines of the operations log that its disk had no room for"),
    Metric("haechi_metrics_unknown_total", Kind.COUNTER, "Numbers sent to a metric that does not exist"),
)

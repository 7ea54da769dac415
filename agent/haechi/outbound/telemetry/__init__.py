"""Operations logs and metrics. Never the audit, never content."""

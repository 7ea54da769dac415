"""Operations log and metrics; never the audit."""

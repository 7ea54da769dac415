"""What we drive: engine, index, audit, registry, notices, telemetry."""

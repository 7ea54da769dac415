"""The hash-chained, checkpoint-signed record of decisions."""

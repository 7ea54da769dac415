"""What the use cases need of the outside, as Protocols. Adapters live in ``inbound`` and ``outbound``."""

"""Layer 1: the age format, through pyrage."""

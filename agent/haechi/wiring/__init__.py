"""The parts of an agent, made and handed what they need: one module for each group. Nothing else knows them all."""

"""Live migration, phase by phase, at both ends."""

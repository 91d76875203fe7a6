"""What a run found, as data: the only source of the support matrix."""

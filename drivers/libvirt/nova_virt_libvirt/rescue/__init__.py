"""A guest started from another disk for a while."""

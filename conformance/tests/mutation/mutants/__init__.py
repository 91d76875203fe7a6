"""Drivers that break one promise each. Each names the kit test that has to catch it."""

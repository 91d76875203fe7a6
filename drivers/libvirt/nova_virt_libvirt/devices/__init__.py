"""Devices of a new guest's definition, one family per file."""

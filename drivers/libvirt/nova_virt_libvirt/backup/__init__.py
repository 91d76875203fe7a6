"""Backups of guests, whole or by what changed: begun, read over NBD, ended."""

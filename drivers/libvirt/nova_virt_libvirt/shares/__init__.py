"""Directories that guests share with their host by virtiofs."""

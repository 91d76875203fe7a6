"""Copies of guests."""

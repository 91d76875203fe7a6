"""Volumes that no guest owns, kept in the pools of the endpoint's host."""

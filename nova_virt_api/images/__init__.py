"""Bring an image's bytes to this machine, checked and in a wanted format: sources, inspection, conversion, cache."""

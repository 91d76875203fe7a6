"""Builds the small bootable guest that the demo, the tests and the conformance kit start."""

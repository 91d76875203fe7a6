"""The kit's version. It has its own, so that a driver's authors choose when they meet new tests."""

__version__ = "1.0.0"

MINOR = tuple(int(part) for part in __version__.split(".")[:2])
"""Major and minor; a test is provisional in the minor that it entered with."""

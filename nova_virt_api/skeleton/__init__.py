"""The skeleton of a driver's distribution, and how it is written to a new directory."""

"""The contract: what a driver implements. ``Driver`` is required, every role is optional."""

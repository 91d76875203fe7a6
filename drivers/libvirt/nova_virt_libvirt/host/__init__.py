"""The host behind an endpoint: what it has, what it offers, whether it takes new guests."""

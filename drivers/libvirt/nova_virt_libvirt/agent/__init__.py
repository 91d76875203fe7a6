"""The agent inside a guest: what it is asked and what it tells."""

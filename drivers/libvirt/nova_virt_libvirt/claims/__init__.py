"""Claims: who makes, changes or removes a guest just now."""

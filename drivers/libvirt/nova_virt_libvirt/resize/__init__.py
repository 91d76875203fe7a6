"""Another size, here or at another endpoint, with a way back."""

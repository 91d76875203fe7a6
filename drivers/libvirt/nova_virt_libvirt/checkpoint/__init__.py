"""Points in time that guests can go back to: layers of overlays, and memory."""

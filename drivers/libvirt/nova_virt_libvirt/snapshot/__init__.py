"""Images of guests' disks."""

"""Images in pools: bases that guests' disks stand on."""

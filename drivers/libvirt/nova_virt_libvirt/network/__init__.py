"""What guests' interfaces are plugged into, and the addresses found there."""

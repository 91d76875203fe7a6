"""Whether a driver could live in another process: everything that crosses the contract, encoded and decoded."""

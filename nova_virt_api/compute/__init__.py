"""``Compute``, what users hold: uniform verbs, operations, waiting and watching over any driver."""

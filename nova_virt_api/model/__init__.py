"""What crosses the API: frozen data, one family per file. Sizes in bytes, times in seconds."""

"""Arrays in, arrays out; no torch."""

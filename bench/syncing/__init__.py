"""``make bench-sync``: how fast records come in, go out and are found unchanged."""

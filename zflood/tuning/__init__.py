"""Whether a host can hold so many connections, and what mends it."""

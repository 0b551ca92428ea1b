"""One file for each of zflood's commands: its options, its help, and what it prints."""

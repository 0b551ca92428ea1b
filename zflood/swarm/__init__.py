"""Very many clients: sockets, processes, what they read and what they have seen."""

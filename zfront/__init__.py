"""zfront: holds the clients' connections."""

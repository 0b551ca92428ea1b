"""What people see: the pages and the transports in a real browser."""

"""The checker: what every sender was told and what every client saw, on record, and compared."""

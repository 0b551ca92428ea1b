"""The HTTP side: short-lived Tornado objects that answer, or hand the connection to the room."""

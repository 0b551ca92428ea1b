"""The message generator: what is sent, when, through what, and what came of it."""

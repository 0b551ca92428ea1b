"""zrouter: who is where, and every message's way there."""

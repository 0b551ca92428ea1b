"""From an accepted socket to a parked client, a send, or a request of Tornado's.

Owns: the listening socket, the short ways past Tornado, and connections that are not parked. Must not know:
what Tornado's handlers answer.
"""

"""One end of a link to a router, for frontends and for clients.

Owns: the session (Hello, leases, requests and their answers), what the router has to be told again and again,
and what clients wait to be told of what they missed; and the DEALER socket beneath. Must not know: who uses
it.
"""

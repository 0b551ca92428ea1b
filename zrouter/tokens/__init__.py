"""Tokens: who a client is, and as which ids it may be connected, signed by its backend (JWT, RFC 7519).

Owns: keys and their files, the reading and making of tokens, grants. Must not know: HTTP, where in a request
a token stands, connections. PyJWT and cryptography (the extra `tokens`) are loaded when the first key is.
"""

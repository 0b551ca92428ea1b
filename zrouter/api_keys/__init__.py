"""API keys: which backend may use the HTTP API, for what, and for which ids.

Owns: their form, scopes, the file that has their hashes, making and revoking. Must not know: HTTP.
"""

"""What backends ask of a frontend by HTTP: docs/http-api.md.

Owns: who may, what is asked, requests that wait for the router, and every answer as bytes. Must not know:
sockets.
"""

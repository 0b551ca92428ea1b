"""The router's shell: the ROUTER socket and its loop, the thread that writes the store, settings.

Owns: all that is I/O. Must not know: what a message means, which zrouter/routing/ decides.
"""

"""What a client asks for, as values: which stream, which command, which send, and by whose page.

Owns: how requests are read and checked. Must not know: sockets, or what is done for the client.
"""

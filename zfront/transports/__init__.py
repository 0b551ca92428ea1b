"""Transports: how a message looks on a client's connection. Bytes in, bytes out, one file each."""

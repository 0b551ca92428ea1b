"""Tornado's handlers, one list of URLs for all: each answers, or hands its connection to the hub.

Must not know: processes, or which socket is listened on.
"""

"""Follows on disk, in LMDB: any number of programs may have a store open.

Owns: the directory, its generations, the bytes in them, and the proof that they are whole. Must not know:
files that are loaded.
"""

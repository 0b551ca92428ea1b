"""Who follows whom: the stored pairs, found both ways.

Owns: the interface of a store (store.py), and two stores: in LMDB and in memory. Must not know: who is logged
in.
"""

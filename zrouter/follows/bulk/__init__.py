"""Many pairs at once: files are read, ids become numbers, pairs are sorted, a generation is written.

Owns: the formats of files and the memory that a load takes. Must not know: what a generation's bytes are.
"""

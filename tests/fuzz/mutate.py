"""New inputs from old ones, without any look at what they reach: what a short run has, and a machine without
atheris.

Owns: the ways to change an input. Must not know: any target.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

_BYTES = bytes((0, 1, 9, 10, 13, 32, 34, 37, 44, 58, 59, 92, 127, 128, 255))


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], most: int, chance: random.Random) -> bytes:
    """One of the seeds, changed in one to six places, of `most` bytes at the most."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 6))):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.choice((1, 1, 1, 2, 4, 16)))
        way = chance.randrange(7)
        if way == 0:
            data[at:end] = b""
        elif way == 1:
            data[at:at] = bytes((chance.choice(_BYTES),))
        elif way == 2 and at < len(data):
            data[at] = chance.randrange(256)
        elif way == 3 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif way == 4 and words:
            data[at : at if chance.random() < 0.5 else end] = chance.choice(words)
        elif way == 5:
            other = chance.choice(seeds)
            begin = chance.randint(0, len(other))
            data[at:] = other[begin:]
        else:
            data[at:at] = data[at:end]
    return bytes(data[:most])

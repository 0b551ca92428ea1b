"""What a request says of who asks: its key, its page, and whether a proxy passed it on."""

from __future__ import annotations

from typing import Final, NamedTuple

# Headers of a proxy: whoever asks is somebody else than who connected.
FORWARDED: Final = frozenset(("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"))


class Credentials(NamedTuple):
    """What a request says of who asks. Header values as they came; empty: there was none."""

    authorization: str = ""
    origin: str = ""
    host: str = ""
    is_forwarded: bool = False

"""What a request says of who asks: its key or token, its page, and whether a proxy passed it on."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# A name as RFC 9110, section 5.6.2, has it: of a header, of a cookie.
is_name: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
KEY_MARK: Final = "zk_"  # what API keys begin with
# Headers of a proxy: whoever asks is somebody else than who connected.
FORWARDED: Final = frozenset(
    ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port",
     "x-forwarded-server", "x-forwarded-scheme", "x-real-ip", "true-client-ip", "cf-connecting-ip")
)  # fmt: skip
FORWARDED_BYTES: Final = frozenset(name.encode() for name in FORWARDED)


class Secret(str):
    """Text that shows itself in no log and no traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class Credentials(NamedTuple):
    """What a request says of who asks. Header values as they came; empty: there was none."""

    authorization: str = ""
    origin: str = ""
    host: str = ""
    is_forwarded: bool = False
    is_key_in_url: bool = False  # something that looks like an API key stands in the query

    def __repr__(self) -> str:
        return f"Credentials(<secret>, {self.origin!r}, {self.host!r}, {self.is_forwarded})"

"""Which methods there are here; the series answers all others with 501, not with Tornado's 405."""

from __future__ import annotations

from typing import Final

KNOWN: Final = ("GET", "HEAD", "POST")


class EveryMethod(tuple[str, ...]):
    """For a handler's SUPPORTED_METHODS: Tornado asks it whether a method may come as far as `prepare`."""

    def __contains__(self, method: object) -> bool:
        return True

"""Why something is refused, and why a client can't have all that it missed: the words on the link."""

from __future__ import annotations

from typing import Final

# The codes of Error, each with what it means. A peer acts on the code and shows the text.
NOT_UNDERSTOOD: Final = "not-understood"
WRONG_VERSION: Final = "wrong-version"
SAY_HELLO: Final = "say-hello"
TOO_LARGE: Final = "too-large"
BAD_ID: Final = "bad-id"
FULL: Final = "full"
KEY_REUSED: Final = "key-reused"
NO_STORE: Final = "no-store"
STORE_FAILED: Final = "store-failed"
FORBIDDEN: Final = "forbidden"

ERROR_CODES: Final[dict[str, str]] = {
    NOT_UNDERSTOOD: "the frame is not a message of this protocol",
    WRONG_VERSION: "the peer speaks a version that the router does not",
    SAY_HELLO: "the router does not know this connection: it wants a Hello first",
    TOO_LARGE: "a message is longer than max_message, a frame than max_frame, a heartbeat than 4,096 bytes",
    BAD_ID: "an id is not 1 to 255 bytes of UTF-8, or the numbers of ids and connections differ",
    FULL: "a table has reached its limit",
    KEY_REUSED: "a Send or Publish has the key of another one with other messages",
    NO_STORE: "the router runs without a store of follows",
    STORE_FAILED: "the store of follows could not do it; what it held is untouched",
    FORBIDDEN: "the peer's key is not for that kind of message, or not in the allow list",
}

# Why a client can't have all that it missed.
EVICTED: Final = "evicted"
RESTARTED: Final = "restarted"

GAPS: Final[dict[str, str]] = {
    EVICTED: "some of it is too old, or was too much to be kept",
    RESTARTED: "the router was started again since, and what it had kept is gone",
}

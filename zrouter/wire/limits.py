"""The numbers that both ends of the link must agree on: version, lengths, defaults.

In the same words for other languages: docs/wire-protocol.md.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
DEFAULT_ROUTER: Final = "tcp://127.0.0.1:5570"
MAX_ID_BYTES: Final = 255
DEFAULT_MAX_MESSAGE_BYTES: Final = 64 * 1024
# A sender splits its batches so that no frame is longer. One message of the default size fits 16 times.
DEFAULT_MAX_FRAME_BYTES: Final = 1024 * 1024
# What a Send frame adds to its pairs and key, at the most, to each pair, and so to a message alone in it.
SEND_BYTES: Final = 64
PAIR_BYTES: Final = 8
MAX_KEY_BYTES: Final = 255
LONE_MESSAGE_BYTES: Final = SEND_BYTES + MAX_KEY_BYTES + PAIR_BYTES + MAX_ID_BYTES
# A Deliver whose fans have so many ids is acknowledged at once, by a Heartbeat: the router waits for that.
FAN_IDS: Final = 100
# Ids in one login, logout, who or kick frame: 2,000 ids of 10 bytes are a frame of about 25 KB.
MAX_IDS_PER_FRAME: Final = 10_000
# Ids in a page of followers: a millisecond of the router's.
MAX_RELATIONS: Final = 2000

# Of `jti` and `sub` of a token: 255 characters.
MAX_TOKEN_ID_BYTES: Final = 1020
# Revocations in a frame, either way: with the longest values 260 KB.
MAX_REVOCATIONS_PER_FRAME: Final = 250
# Bytes of Presence frames that may be under way to a peer: beyond it, states wait, and the last one is told.
PRESENCE_WINDOW: Final = 1024 * 1024
# A report is some dozens of figures; the router keeps the last one of each peer.
MAX_HEARTBEAT_BYTES: Final = 4096

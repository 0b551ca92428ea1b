"""The router's bounds, as its rules need them; server/settings.py says what happens when one is reached."""

from __future__ import annotations

from typing import Final

import msgspec

from zrouter import wire

# One burst: what is worked on before anything is sent; the last frame may go beyond it. More frames cost
# latency, fewer cost throughput; 256 KiB of 25-byte messages are about 7,000 of them, 2 ms of work.
BURST_FRAMES: Final = 400
BURST_BYTES: Final = 256 * 1024
# What a frame of another kind than Send costs in such bytes: so many itself, and each of its bytes so often.
# Ids that are logged in, watched, kicked cost more than messages. Measured.
_COSTS: Final[dict[int, tuple[int, int]]] = {
    1: (2500, 16),  # Hello
    5: (0, 1),  # Heartbeat
    7: (1000, 4),  # Who: looked up later, see below
    8: (1000, 4),  # Stats
    10: (500, 4),  # Resume
    15: (500, 4),  # Related
    16: (200, 16),  # Publish
}
_OTHER_COST: Final = (1000, 16)
# Questions of all peers that wait, in ids, one being as many more; so many ids after each burst,
# half a millisecond.
MAX_QUESTION_IDS: Final = 200_000
QUESTION_IDS: Final = 500
QUESTION_COST: Final = 5
# For those who come back, messages may have to be looked through: so many after each burst, 15 ms of work.
RESUME_MESSAGES: Final = 20_000
RESUME_COST: Final = 50  # of one who comes back, in such messages
MAX_RESUMES: Final = 100_000

# Of a holder that left with many ids, of ids and keys whose time is over, of presence that is to be told or
# forgotten: so many after each burst, one or two milliseconds of work.
LOGGED_OUT: Final = 1000

# Publishes and follows that wait; more are refused. Pairs: some seconds of the disk's.
MAX_PUBLISHES: Final = 20_000
MAX_PUBLISH_BYTES: Final = 64 * 1024 * 1024
MAX_FOLLOWS: Final = 50_000
# Questions for followers and subscribees: so many may wait, and a burst answers so many ids, a question being
# as many more.
MAX_RELATED: Final = 10_000
RELATED_IDS: Final = 2000
RELATED_COST: Final = 50
# Of publishes in one burst: followers handed over, bytes of their messages, ids looked up in the store.
PUBLISH_FOLLOWERS: Final = 1500
# The same while others send, or did so that long ago [s]: what they sent waits for frontends that write it.
PUBLISH_FOLLOWERS_BESIDE: Final = 300
PUBLISH_BESIDE_S: Final = 0.02
PUBLISH_BYTES: Final = 256 * 1024
PUBLISH_LOOK_UPS: Final = 300
# Followers handed over before another publisher has its turn; what the start of a publish counts as.
PUBLISH_SLICE: Final = 300
PUBLISH_START: Final = 30
PUBLISH_LOOKED: Final = 500  # so many followers who are away take the time of one who is there
# How long the next followers wait for frontends to take these; who takes longer is waited for no more.
PUBLISH_PATIENCE_S: Final = 0.02
PUBLISHES_UNDER_WAY: Final = 8  # each has a view of the store open
PUBLISH_REPEATS: Final = 100  # of one that is not done yet; each is told when it is

_SPAN_BYTES: Final = 10  # of an id whose position is not the one behind the last
# A frame to a frontend has a frame and a burst of messages; of publishes a burst of messages, one more, and
# so much for their ids.
BURST_IDS_BYTES: Final = (PUBLISH_FOLLOWERS + PUBLISH_SLICE) * (wire.MAX_ID_BYTES + 2 + _SPAN_BYTES)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds."""

    max_message: int = wire.DEFAULT_MAX_MESSAGE_BYTES
    max_frame: int = wire.DEFAULT_MAX_FRAME_BYTES
    window: int = 64 * 1024 * 1024
    lease_s: float = 2.5
    max_lease_s: float = 60.0
    max_ids: int = 5_000_000
    max_peers: int = 10_000
    mailbox_messages: int = 50
    mailbox_bytes: int = 64 * 1024
    mailbox_s: float = 120.0
    mailbox_total: int = 128 * 1024 * 1024
    mailbox_ids: int = 1_000_000
    idempotency_s: float = 300.0
    idempotency_bytes: int = 32 * 1024 * 1024
    presence_linger_s: float = 5.0
    max_watches: int = 1_000_000
    max_revocations: int = 100_000


def cost(frame: bytes) -> int:
    """What a frame that is no Send takes of BURST_BYTES."""
    fixed, each = _COSTS.get(frame[1], _OTHER_COST) if len(frame) > 1 else _OTHER_COST
    return fixed + each * len(frame)


def has_room(most: int, taken: int, peers: int, own: int, more: int) -> bool:
    """Whether a peer that has `own` of `most`, of which so many peers have `taken`, may have some more.

    Half of it is for whoever comes first, and no peer has more than that; of the rest each has the same.
    """
    if taken + more > most or own + more > most // 2:
        return False
    return taken + more <= most // 2 or own + more <= most // (2 * max(1, peers))

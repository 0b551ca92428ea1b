"""zrouter's settings; each is an option of `zrouter serve`, an environment variable and a config key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from zrouter import wire
from zrouter.daemon.arguments import ENDPOINT
from zrouter.daemon.logs import LEVELS
from zrouter.daemon.numbers import BYTES, Count, Number
from zrouter.daemon.options import setting
from zrouter.routing.limits import BURST_BYTES, Limits
from zrouter.wire import DEFAULT_ROUTER

FRAMES: Final = 10_000_000  # that may wait for one peer: more than memory has room for
DAY_S: Final = 86400.0


def default_store() -> Path:
    """Where a user's store is unless somebody says otherwise: XDG Base Directory Specification."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(data) / "zcomet" / "follows"


@dataclass(frozen=True, kw_only=True)
class RouterSettings:
    """Where the router listens, and its bounds."""

    bind: str = setting(
        DEFAULT_ROUTER, "ZeroMQ endpoint to listen on; port 0 picks a free one.", type=ENDPOINT
    )
    curve_server_key_file: str = setting(
        "",
        "A file with the router's keys, of `zrouter keygen`: peers need keys, too, and all is encrypted.",
        metavar="PATH",
    )
    curve_allow_file: str = setting(
        "", "A file with the public keys of those who may connect, and their roles.", metavar="PATH"
    )
    insecure: bool = setting(False, "Allow listening beyond loopback without authentication and encryption.")
    max_message: int = setting(
        wire.DEFAULT_MAX_MESSAGE_BYTES, "Longest message; a longer one is refused.", type=BYTES
    )
    max_frame: int = setting(
        wire.DEFAULT_MAX_FRAME_BYTES,
        "Longest frame from a peer; a longer one is refused, and four times that ends its connection.",
        type=BYTES,
    )
    window: int = setting(
        64 * 1024 * 1024,
        "Bytes under way to one frontend; beyond it, messages for it are dropped and counted.",
        type=BYTES,
    )
    queue_in: int = setting(
        1000, "Frames that may wait from one peer; beyond it, that peer has to wait.", type=Count(1, FRAMES)
    )
    queue_out: int = setting(
        10_000, "Frames that may wait towards one peer; beyond it, they are dropped.", type=Count(1, FRAMES)
    )
    lease: float = setting(
        2.5,
        "A frontend that is silent for that long is logged out; peers may ask for another.",
        type=Number(0.1, DAY_S),
        unit="s",
    )
    max_lease: float = setting(
        60.0, "Longest lease that a peer may ask for.", type=Number(0.1, DAY_S), unit="s"
    )
    max_ids: int = setting(
        5_000_000, "Ids logged in at once; further logins are refused.", type=Count(1, 10**9)
    )
    max_peers: int = setting(
        10_000, "Peers on the link at once; further ones are refused.", type=Count(1, 10**9)
    )
    max_strangers: int = setting(
        128,
        "Connections that have not said anything yet; beyond it the oldest is ended.",
        type=Count(1, 10**9),
    )
    hello_timeout: float = setting(
        5.0, "A connection that says nothing for that long is ended.", type=Number(0.1, DAY_S), unit="s"
    )
    mailbox_messages: int = setting(
        50, "Messages that a client that comes back gets for each id, at the most.", type=Count(1, 10**9)
    )
    mailbox_bytes: int = setting(64 * 1024, "Bytes of these, for each id.", type=BYTES)
    mailbox_seconds: float = setting(
        120.0,
        "How long messages are kept for clients that come back; 0 = not at all.",
        type=Number(0, 30 * DAY_S),
        unit="s",
    )
    mailbox_total: int = setting(
        128 * 1024 * 1024, "What is kept for all ids together; beyond it the oldest go.", type=BYTES
    )
    mailbox_ids: int = setting(
        1_000_000,
        "Ids without a connection that messages are kept for; beyond it those that left the frontend with"
        " most of them go first.",
        type=Count(0, 10**9),
    )
    idempotency_seconds: float = setting(
        300.0,
        "How long a send with a key is remembered, so that a retry is not routed again; 0 = not at all.",
        type=Number(0, 30 * DAY_S),
        unit="s",
    )
    idempotency_bytes: int = setting(
        32 * 1024 * 1024, "What keys and their receipts may take; beyond it the oldest go.", type=BYTES
    )
    presence_linger: float = setting(
        5.0,
        "Who watches an id is told that it has left once it had no connection for so long.",
        type=Number(0, 30 * DAY_S),
        unit="s",
    )
    max_watches: int = setting(
        1_000_000, "Ids watched, of all who watch together; more are refused.", type=Count(0, 10**9)
    )
    store: str | None = setting(
        None,
        "Where follows are stored, a directory that is made when it is first needed; 'none': nowhere."
        " Default: zcomet/follows in the user's data directory.",
        type=str,
        metavar="PATH",
    )
    revocations: str | None = setting(
        None,
        "A file that keeps which tokens are revoked, made when the first is; 'none': they are forgotten when"
        " the router ends. Default: revocations, beside the store.",
        type=str,
        metavar="PATH",
    )
    max_revocations: int = setting(
        100_000,
        "Tokens that may be revoked at once; more are refused, none is forgotten.",
        type=Count(1, 10**7),
    )
    log_level: str = setting("info", "How much to log.", type=click.Choice(LEVELS))

    def __post_init__(self) -> None:
        """Refuse bounds under which nothing would get through.

        Raises:
            click.UsageError: the largest message does not fit a frame, or the largest burst the window.
        """
        if self.max_message + wire.LONE_MESSAGE_BYTES > self.max_frame:
            raise click.UsageError(
                f"--max-message {self.max_message} does not fit --max-frame {self.max_frame}"
            )
        if 3 * (self.max_frame + BURST_BYTES) > self.window:  # so much, with the positions of empty messages
            raise click.UsageError(
                f"--window {self.window} is less than a burst: 3 times --max-frame and {BURST_BYTES} bytes"
            )

    def store_path(self) -> Path | None:
        """Where the store is; None for none."""
        if self.store == "none":
            return None
        return Path(self.store) if self.store else default_store()

    def revocations_path(self) -> Path | None:
        """Where revocations are kept; None: nowhere."""
        if self.revocations == "none":
            return None
        if self.revocations:
            return Path(self.revocations)
        store = self.store_path()
        return None if store is None else store.absolute().parent / "revocations"

    def limits(self) -> Limits:
        """The bounds that the router's rules need."""
        return Limits(
            max_message=self.max_message,
            max_frame=self.max_frame,
            window=self.window,
            lease_s=self.lease,
            max_lease_s=self.max_lease,
            max_ids=self.max_ids,
            max_peers=self.max_peers,
            mailbox_messages=self.mailbox_messages,
            mailbox_bytes=self.mailbox_bytes,
            mailbox_s=self.mailbox_seconds,
            mailbox_total=self.mailbox_total,
            mailbox_ids=self.mailbox_ids,
            idempotency_s=self.idempotency_seconds,
            idempotency_bytes=self.idempotency_bytes,
            presence_linger_s=self.presence_linger,
            max_watches=self.max_watches,
            max_revocations=self.max_revocations,
        )

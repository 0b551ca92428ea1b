"""Faults that there were, put back: a review and users' reports found them, and the simulator had to."""

from __future__ import annotations

from typing import Final

from tests.simulation.mutants.mutant import Mutant

EARLIER: Final = [
    Mutant(
        "an id that was forgotten gets messages that nobody keeps, and no gap",
        (
            "zrouter/routing/mailboxes.py",
            "is_all and not any(self.skipped.may_have(an_id, position, an_id in here) for an_id in wanted)",
            "is_all",
        ),
    ),
    Mutant(
        "a write that ends a connection tells so in the middle of whatever",
        (
            "zfront/connections/parked_sockets.py",
            "            _with_socket(descriptor, lambda connection: connection.shutdown(socket.SHUT_RD))\n",
            "            _with_socket(descriptor, lambda connection: connection.shutdown(socket.SHUT_RD))\n"
            "        self._bury()\n",
        ),
    ),
    Mutant(
        "all ids of a publish share a position",
        (
            "zrouter/wire/messages.py",
            "repeat(message), chain(each, repeat(last))",
            "repeat(message), repeat(last)",
        ),
    ),
    Mutant(
        "a poll that is answered in the middle of a burst has a tag from before its last message",
        (
            "zfront/connections/fan_out.py",
            "self.write(writes, position - 1)",
            "self.write(writes, position - 2)",
        ),
    ),
    Mutant(
        "the clock of the router's parts stands still between two ticks",
        (
            "zrouter/routing/router.py",
            "        self._clock.set(now)\n        decode, find_peer",
            "        if self._clock.started is None:\n"
            "            self._clock.set(now)\n"
            "        decode, find_peer",
        ),
    ),
    Mutant(
        "ids that linger are logged in beyond the limit",
        (
            "zrouter/routing/router.py",
            "new = {an_id for an_id in login.ids if not self.table.count(an_id)}",
            "new = {an_id for an_id in login.ids if an_id not in self.table.routes}",
        ),
    ),
    Mutant(
        "a drop takes from the receipt what is held by now",
        (
            "zrouter/routing/burst.py",
            "lost = peer.counted() if peer.inbox else {}",
            "lost = {place: peer.held.get(an_id, 0) for an_id, _, place in peer.inbox}",
        ),
    ),
    Mutant(
        "who begins to watch during the linger is told the old count",
        (
            "zrouter/routing/presence.py",
            "        if watched.said and not count:\n            watched.newcomers",
            "        if watched.said and not count:\n"
            "            return self._tell(watcher, an_id)\n"
            "            watched.newcomers",
        ),
        (
            "zrouter/routing/presence.py",
            "            if watched.slot:\n                if watcher",
            "            if False:\n                if watcher",
        ),
    ),
    Mutant(
        "a WebSocket that logs out of an id while it waits gets its messages",
        (
            "zfront/connections/hub.py",
            "messages = [one for one in missed.messages if one[0] in ids]",
            "messages = missed.messages",
        ),
        ("zfront/connections/hub.py", "            if gone or new:\n", "            if new:\n"),
    ),
    Mutant(
        "an id that is unwatched and watched in one turn is never told",
        (
            "zrouter/routing/presence.py",
            "            if self._watched[an_id].said != _UNSAID:\n                self._tell_newcomer",
            "            if False:\n                self._tell_newcomer",
        ),
    ),
    Mutant(
        "a login that was refused for want of room is never tried again",
        (
            "zrouter/link/announcements.py",
            "            self._retry_at = None\n            self._retry()",
            "            self._retry_at = None",
        ),
        (
            "zrouter/link/announcements.py",
            "            self._on_admitted(admitted)\n            self._retry()",
            "            self._on_admitted(admitted)",
        ),
    ),
    Mutant(
        "a portion of logins is larger than the router's frames",
        ("zrouter/link/announcements.py", "self._take(max_frame - _FRAME_BYTES)", "self._take(1 << 30)"),
    ),
    Mutant(
        "an answer that the router had to drop is waited for for ever",
        (
            "zrouter/link/session.py",
            '            self._answer(request, RouterUnavailableError("the router did not answer"))',
            "            pass",
        ),
    ),
    Mutant(
        "a new client that waits when the link breaks gets messages from before it came",
        (
            "zrouter/link/resumption.py",
            "self.begin(client, self.here, newcomer.joined)",
            "self.begin(client, self.here)",
        ),
    ),
    Mutant(
        "who came while the router was away loses what is dropped, and gets no gap",
        (
            "zrouter/link/resumption.py",
            "        self._new = {client: one._replace(may_miss=True) for client",
            "        self._new = {client: one for client",
        ),
    ),
]

"""The end: faults have stopped, so within bounded time all are logged in, told, answered, and have all.

Owns: what "at rest" means, the last messages, whether anybody lacks anything. Must not know: how anything is
done.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.judge.ledger import Entry
from tests.simulation.world import Broken
from zrouter import wire

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


_ANSWER_S = 1.0  # within which who asks is answered


class Ending:
    """Of one history."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._probes: list[tuple[Entry, int]] = []
        # Where queues are very small, even a message alone may be dropped, and told.
        self._has_room = min(simulation.plan.most_frames, simulation.plan.router["queue_out"]) >= 20

    def make_hub(self) -> None:
        """Where bounds were reached, some leave for good, so that the others can be served."""
        plan, clients = self._simulation.plan, self._simulation.clients
        held: set[str] = set()
        watched = 0
        for client in clients:
            more = held | set(client.ids)
            watched += len(client.watched)
            seats = plan.front["max_connections"] * plan.frontends
            if (
                len(more) > plan.router["max_ids"]
                or watched > plan.router["max_watches"]
                or client.number >= seats
            ):
                client.is_retired = True
                client.hang_up()
                watched -= len(client.watched)
            if client.is_retired:
                client.hang_up()
            else:
                held = more

    def _there(self) -> list[Client]:
        return [client for client in self._simulation.clients if client.is_there]

    def truth(self) -> Counter[str]:
        """On how many connections each id is."""
        return Counter(an_id for client in self._there() for an_id in client.ids)

    def unrest(self) -> tuple[str, str] | None:
        """What is not as it ought to be, kind and words; None: all is."""
        simulation = self._simulation
        for frontend in simulation.frontends:
            if not frontend.link.session.is_settled():
                return "not settled", f"{frontend.name} has not told the router all"
            if frontend.hub.report()["waiting"]:
                return "not told", f"{frontend.name} has clients that wait to be told what they missed"
        for sender in simulation.senders:
            if not sender.is_up():
                return "not settled", f"sender {sender.number} has no link"
            if (asked := sender.unanswered(simulation.world.now - _ANSWER_S)) is not None:
                return (
                    "not answered",
                    f"sender {sender.number} asked at {asked.at:.3f} s: {asked.make(0)!r:.80}",
                )
        for client in simulation.clients:
            if not client.is_retired and not client.is_there:
                return "not settled", f"{client.witness.name} is not there"
            # A poll is told where it is with its first answer.
            if client.is_there and client.transport not in ("test", "poll") and not client.witness.is_open:
                return "not told", f"{client.witness.name} is not told that it is logged in"
        truth = self.truth()
        totals = {an_id.decode(): total for an_id, total in simulation.router.judge.totals.items() if total}
        if totals != dict(truth):
            return "not logged in", f"the router was told {totals}, and it is {dict(truth)}"
        return self._untold(truth)

    def _untold(self, truth: Counter[str]) -> tuple[str, str] | None:
        for client in self._there():
            if client.transport in ("test", "poll"):
                continue
            for an_id in client.watched:
                told = client.witness.presence.get(an_id)
                if told != truth[an_id]:
                    return (
                        "false presence",
                        f"{client.witness.name} was told {told} of {an_id[:20]!r}, on {truth[an_id]}",
                    )
        return None

    def probe(self, an_id: str) -> None:
        """One more message to that id; and who follows it."""
        sender = self._simulation.senders[0]
        entries = self._simulation.ledger.entries
        sender.send([an_id], 20, b"probe " + an_id.encode()[:200], receipts=True)
        self._probes.append((list(entries.values())[-1], self.truth()[an_id]))
        if an_id in self._simulation.ledger.published_by:
            sender.ask(
                lambda request: wire.Related(request, an_id.encode(), True, b"", 2000),
                lambda answer: self._related(an_id, answer),
                tries=20,
            )

    def _related(self, an_id: str, answer: object) -> None:
        must, may = self._simulation.ledger.follows.followers(an_id)
        if not isinstance(answer, wire.Relations):
            raise Broken("not answered", f"who follows {an_id!r}: {answer!r}")
        found = {one.decode() for one in answer.ids}
        if not must <= found <= may or answer.total != len(found):
            raise Broken("wrong followers", f"of {an_id!r}: {sorted(found)} in place of {sorted(must)}")

    def judge(self) -> None:
        """Whether all have everything."""
        simulation = self._simulation
        for entry, connections in self._probes:
            if entry.receipt is None:
                raise Broken("not answered", f"{entry}")
            if max(0, entry.receipt) != connections and self._has_room:
                raise Broken("wrong receipt", f"{entry}: {entry.receipt}, on {connections} connections")
        for client in self._there():
            self._judge(client)
        for frontend in simulation.frontends:
            here = sum(1 for client in self._there() if client.frontend is frontend)
            if len(frontend.hub.parked) != here:
                raise Broken(
                    "left over", f"{frontend.name} has {len(frontend.hub.parked)} connections, not {here}"
                )

    def _judge(self, client: Client) -> None:
        if client.witness.is_resumable:
            lacks = client.witness.lacks()
            if lacks:
                raise Broken("lost", lacks[0])
            return
        for entry, _ in self._probes:
            if (
                self._has_room
                and entry.id in client.ids
                and (entry.number, entry.id) not in client.witness.seen
            ):
                raise Broken("lost", f"{client.witness.name}: {entry}")


if TYPE_CHECKING:
    from tests.simulation.clients import Client

"""What is done in a history that is no fault: clients come and go, senders send, publish, follow and ask.

Owns: one function for each kind of step. Must not know: why; the plan does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.simulation.picking import client_of, ids_of, sender_of, talker
from tests.simulation.plan import Step
from tests.simulation.reading import frame
from tests.simulation.simulation import Simulation
from zrouter import wire

_SIZES: Final = (1, 1, 20, 60, 300, 3000)


def _connect(simulation: Simulation, step: Step) -> None:
    client = client_of(simulation, step.a, is_there=False)
    if client is not None:
        client.connect(simulation.frontends[step.b % len(simulation.frontends)])


def _hang_up(simulation: Simulation, step: Step) -> None:
    client = client_of(simulation, step.a, is_there=True)
    if client is not None:
        client.hang_up()


def _command(simulation: Simulation, step: Step) -> None:
    client = talker(simulation, step.a)
    if client is None:
        return
    some = ids_of(simulation, step.b, 1 + step.c % 2)
    if step.c % 16 < 5:
        client.command(login=some)
    elif step.c % 16 < 8:
        client.command(logout=[one for one in some if one in client.ids[1:]])
    elif step.c % 16 < 11:
        client.command(watch=some)
    elif step.c % 16 < 13:
        client.command(unwatch=some)
    elif step.c % 16 < 15:
        client.command(login=some, watch=some)
    else:
        client.command(logout=client.ids[1:], login=client.ids[1:])


def _rewatch(simulation: Simulation, step: Step) -> None:
    """A page that reloads while the loop is busy: what it watched is unwatched and watched in one turn."""
    client = talker(simulation, step.a)
    if client is not None:
        client.command(unwatch=list(client.watched), watch=list(client.watched))


def _watch_who_left(simulation: Simulation, step: Step) -> None:
    """Somebody begins to watch an id of a client that leaves at that moment."""
    client, watcher = client_of(simulation, step.a, is_there=True), talker(simulation, step.b)
    if client is not None and watcher is not None and client is not watcher:
        client.hang_up()
        delay_s = (0.0, 0.01, 0.2)[step.c % 3]
        simulation.world.after(delay_s, lambda: watcher.command(watch=client.ids[:1]))


def _size(simulation: Simulation, number: int) -> int:
    most: int = simulation.plan.router["max_message"]
    return min(_SIZES[number % len(_SIZES)], most) if number % 11 else most


def _send(simulation: Simulation, step: Step) -> None:
    sender = sender_of(simulation, step.a)
    if sender is not None:
        key = b"" if step.c % 3 else b"key %d" % step.c
        sender.send(ids_of(simulation, step.b, 1), _size(simulation, step.c), key, receipts=step.c % 10 != 0)
        if key:
            simulation.keys.append((sender, key))


def _batch(simulation: Simulation, step: Step) -> None:
    sender = sender_of(simulation, step.a)
    if sender is not None:
        sender.send(ids_of(simulation, step.b, 2 + step.c % 7), 30, b"", receipts=step.c % 5 != 0)


def _publish(simulation: Simulation, step: Step) -> None:
    sender = sender_of(simulation, step.a)
    if sender is not None:
        key = b"" if step.c % 3 else b"publish %d" % step.c
        ids = ids_of(simulation, step.b % 2, 1 + step.c % 2)
        sender.send(ids, 30, key, receipts=True, publishes=True)
        if key:
            simulation.keys.append((sender, key))


def _follow(simulation: Simulation, step: Step) -> None:
    ids, senders = simulation.plan.ids, simulation.senders
    subscriber = ids[step.a % len(ids)]
    sender = senders[step.a % len(ids) % len(senders)]
    if sender.is_up():
        sender.follow(subscriber, ids[step.b % 2], is_follow=step.c % 4 != 0)
        if step.c % 8 == 1:
            # Behind it, though it is not answered yet.
            sender.send([ids[step.b % 2]], 30, b"", receipts=True, publishes=True)


def _ask(simulation: Simulation, step: Step) -> None:
    sender = sender_of(simulation, step.a)
    if sender is not None:
        ids = [one.encode() for one in ids_of(simulation, step.b, 2)]
        makes: list[Callable[[int], wire.Message]] = [
            lambda request: wire.Who(request, ids),
            wire.Stats,
            lambda request: wire.Related(request, ids[0], True, b"", 10),
        ]
        sender.ask(makes[step.c % len(makes)])


def _say(simulation: Simulation, step: Step) -> None:
    client = talker(simulation, step.a)
    if client is not None:
        client.says(
            (frame("", 0x9), frame('{"ack":"1.1"}'), frame("x" * 100, 0x9), frame("", 0xA))[step.b % 4]
        )


LOAD: Final[dict[str, Callable[[Simulation, Step], None]]] = {
    "connect": _connect,
    "hang up": _hang_up,
    "wish": _command,
    "rewatch": _rewatch,
    "send": _send,
    "batch": _batch,
    "publish": _publish,
    "follow": _follow,
    "ask": _ask,
    "say": _say,
    "watch who left": _watch_who_left,
}

"""What goes wrong in a history, and what is not nice.

Owns: one function for each kind of step. Must not know: why; the plan does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.simulation.picking import client_of, connection_of, ids_of, pick, process_of, sender_of, talker
from tests.simulation.plan import Step
from tests.simulation.simulation import Simulation
from zrouter import wire

_PAUSES_S: Final = (0.05, 0.3, 1.2, 2.4, 3.0, 8.0)
_LATE_S: Final = (0.003, 0.02, 0.2)


def _kick(simulation: Simulation, step: Step) -> None:
    sender = sender_of(simulation, step.a)
    if sender is not None:
        simulation.world.injected("kick")
        ids = [one.encode() for one in ids_of(simulation, step.b, 1 + step.c % 2)]
        sender.ask(lambda request: wire.Kick(request, ids))


def _reset(simulation: Simulation, step: Step) -> None:
    client = client_of(simulation, step.a, is_there=True)
    if client is not None:
        simulation.world.injected("reset")
        client.reset()


def _reset_in_a_write(simulation: Simulation, step: Step) -> None:
    client = client_of(simulation, step.a, is_there=True)
    if client is not None and client.pair is not None:
        client.pair.writes_left = step.b % 4
    away = client_of(simulation, step.c, is_there=False)
    if away is not None:
        away.connect(simulation.frontends[step.b % len(simulation.frontends)])
        if away.pair is not None:
            away.pair.writes_left = step.b % 3


def _half_close(simulation: Simulation, step: Step) -> None:
    client = client_of(simulation, step.a, is_there=True)
    if client is not None:
        simulation.world.injected("half close")
        client.half_close()


def _slow_reader(simulation: Simulation, step: Step) -> None:
    client = pick(simulation.clients, step.a)
    if client is not None:
        simulation.world.injected("slow reader")
        client.reads_s = (0.0005, 0.05, 0.5)[step.b % 3]
        client.reads_bytes = (1, 10, 100, 1 << 16)[step.c % 4]
        client.hub = (60, 300, 1 << 16)[step.c % 3]
        if client.pair is not None:
            client.pair.hub = client.hub


def _forgets(simulation: Simulation, step: Step) -> None:
    client = client_of(simulation, step.a, is_there=False)
    if client is not None:
        client.forgets = True


def _reconnect(simulation: Simulation, step: Step) -> None:
    client = client_of(simulation, step.a, is_there=True)
    if client is not None:
        simulation.world.injected("reconnect")
        client.reset() if step.b % 2 else client.hang_up()
        client.connect(simulation.frontends[step.c % len(simulation.frontends)])


def _cut(simulation: Simulation, step: Step) -> None:
    connection = connection_of(simulation, step.a)
    if connection is not None:
        simulation.world.injected("cut link", connection.dealer.process.name)
        connection.dealer.process.disturbed_at = simulation.world.now
        late = (0.0, 0.001, 0.03, 1.0)
        connection.cut(late[step.b % 4], late[step.c % 4])


def _stall(simulation: Simulation, step: Step) -> None:
    connection = connection_of(simulation, step.a)
    if connection is not None:
        simulation.world.injected("stalled link", connection.dealer.process.name)
        connection.stall(True)
        simulation.world.after(_PAUSES_S[step.b % 6], lambda: connection.stall(False))


def _hasty(simulation: Simulation, step: Step) -> None:
    """The link breaks or a client comes back, and while it waits it asks for other ids."""
    client = talker(simulation, step.a)
    if client is None or client.frontend is None:
        return
    frontend, own, world = client.frontend, client.ids[1:], simulation.world
    if step.b % 2:
        simulation.world.injected("reconnect")
        client.reset()
        client.connect(simulation.frontends[step.b % len(simulation.frontends)])
        delay_s = (0.0, 0.0005, 0.001)[step.c % 3]
    else:
        for connection in list(simulation.network.connections):
            if connection.dealer.process is frontend.process:
                world.injected("cut link", frontend.process.name)
                connection.cut(0.0, 0.0)
        frontend.process.disturbed_at = world.now
        delay_s = (0.01, 0.05, 0.06, 0.1)[step.c % 4]

    def asks() -> None:
        if client.pair is not None:
            client.command(logout=own) if step.c % 5 else client.command(logout=own, login=own)

    world.after(delay_s, asks)


def _hello_again(simulation: Simulation, step: Step) -> None:
    """It begins its session anew on the same connection, as who may have been forgotten does."""
    frontend = pick(simulation.frontends, step.a)
    if frontend is None:
        return
    process, session = frontend.process, frontend.link.session

    def renew() -> None:
        session.renew(process.clock())
        frontend.link.flush()

    if process.is_alive and not process.is_stopped and session.welcome is not None:
        simulation.world.injected("hello again", process.name)
        process.disturbed_at = simulation.world.now
        process.run(renew)


def _hard_return(simulation: Simulation, step: Step) -> None:
    """Clients come while a frontend has no link; when it has one, the router is slow, and queues are full."""
    frontend, world, network = pick(simulation.frontends, step.a), simulation.world, simulation.network
    router, away = simulation.router.process, client_of(simulation, step.b, is_there=False)
    if frontend is None:
        return
    for connection in list(network.connections):
        if connection.dealer.process is frontend.process:
            world.injected("cut link", frontend.process.name)
            connection.cut(0.0, 0.0)
    world.injected("slow process", router.name)
    router.late_s, network.full = (0.003, 0.02)[step.c % 2], 0.2
    router.disturbed_at = frontend.process.disturbed_at = world.now
    world.after(1.0, lambda: setattr(router, "late_s", 0.0))
    world.after(1.0, lambda: setattr(network, "full", 0.0))
    if away is not None:
        away.connect(frontend)
        for turn in range(40):
            sender = sender_of(simulation, turn)
            if sender is not None:
                world.after(0.04 + 0.003 * turn, partial(sender.send, away.ids[:1], 30, b"", receipts=True))


def _part(simulation: Simulation, step: Step) -> None:
    """It can't connect for a while, and its connection breaks."""
    parted, process = simulation.network.is_parted, pick(simulation.frontends, step.a)
    connection = connection_of(simulation, step.b)
    if process is not None:
        simulation.world.injected("no way to the router")
        parted.add(process.process.name)
        if connection is not None:
            connection.cut(0.0, 0.0)
        simulation.world.after(_PAUSES_S[step.c % 6], lambda: parted.discard(process.process.name))


def _stop(simulation: Simulation, step: Step) -> None:
    process = process_of(simulation, step.a)
    if process.is_alive and not process.is_stopped:
        simulation.world.injected("stopped", process.name)
        process.stop()
        pause_s = _PAUSES_S[step.b % 6]
        simulation.world.after(pause_s, process.go_on)
        if step.c % 3 == 0:
            # What it finds first when it goes on has only just happened.
            simulation.world.after(pause_s - 0.005, lambda: _hang_up_one(simulation, step.c))


def _hang_up_one(simulation: Simulation, number: int) -> None:
    client = client_of(simulation, number, is_there=True)
    if client is not None and not simulation.is_resting:
        client.hang_up()


def _slow(simulation: Simulation, step: Step) -> None:
    process = process_of(simulation, step.a)
    simulation.world.injected("slow process", process.name)
    process.late_s = _LATE_S[step.b % 3]
    process.disturbed_at = simulation.world.now
    simulation.world.after(_PAUSES_S[step.c % 4], lambda: setattr(process, "late_s", 0.0))


def _late_frames(simulation: Simulation, step: Step) -> None:
    network = simulation.network
    network.late, network.late_s = 0.3, _LATE_S[step.a % 3]
    simulation.world.after(_PAUSES_S[step.b % 6], lambda: setattr(network, "late", 0.0))


def _refuse(simulation: Simulation, step: Step) -> None:
    """The router's next frames to a peer find its queue full."""
    connection = connection_of(simulation, step.a)
    if connection is not None:
        connection.refuses = 1 + step.b % 4


def _kill_router(simulation: Simulation, step: Step) -> None:
    router = simulation.router
    if router.process.is_alive:
        simulation.world.injected("router killed")
        router.end()

        def begin() -> None:
            if not router.process.is_alive:
                router.begin()

        simulation.world.after((0.05, 0.5, 4.0)[step.a % 3], begin)


def _kill_frontend(simulation: Simulation, step: Step) -> None:
    frontend = simulation.frontends[step.a % len(simulation.frontends)]
    if frontend.process.is_alive:
        simulation.world.injected("frontend killed")
        frontend.end()

        def begin() -> None:
            if not frontend.process.is_alive:
                frontend.begin()
                simulation.equip(frontend)

        simulation.world.after((0.05, 0.5, 4.0)[step.b % 3], begin)


def _store_fails(simulation: Simulation, step: Step) -> None:
    disk = simulation.router.store_writer.on_disk
    simulation.world.injected("store fails")
    disk.fails, disk.opens = True, step.b % 2 == 0
    simulation.world.after(_PAUSES_S[step.a % 5], lambda: setattr(disk, "fails", False))


def _clock(simulation: Simulation, step: Step) -> None:
    """Its clock jumps ahead, as after a suspend."""
    process = process_of(simulation, step.a)
    simulation.world.injected("clock step", process.name)
    process.ahead_s += (0.5, 2.0, 10.0)[step.b % 3]
    process.disturbed_at = simulation.world.now


def _key_reused(simulation: Simulation, step: Step) -> None:
    of_sends = [one for one in simulation.keys if one[1].startswith(b"key")]
    sender, found = sender_of(simulation, step.a), pick(of_sends, step.b)
    if sender is not None and found is not None:
        simulation.world.injected("key reused")
        sender.send_with_key_of_others(found[1], ids_of(simulation, step.c, 1)[0])


def _key_again(simulation: Simulation, step: Step) -> None:
    found = pick(simulation.keys, step.a)
    sender = sender_of(simulation, step.b)
    if found is not None and sender is not None:
        simulation.world.injected("sent again")
        found[0].again(found[1], sender)


def _too_large(simulation: Simulation, step: Step) -> None:
    sender = sender_of(simulation, step.a)
    most = simulation.plan.router["max_message"]
    if sender is not None and most < 65536:
        simulation.world.injected("too large")
        sender.send(ids_of(simulation, step.b, 2), most + 1 + step.c % 3, b"", receipts=True)


def _retire(simulation: Simulation, step: Step) -> None:
    client = client_of(simulation, step.a, is_there=False)
    if client is not None and sum(not one.is_retired for one in simulation.clients) > 2:
        client.is_retired = True


FAULTS: Final[dict[str, Callable[[Simulation, Step], None]]] = {
    "kick": _kick,
    "reset": _reset,
    "reset in a write": _reset_in_a_write,
    "half close": _half_close,
    "slow reader": _slow_reader,
    "forgets": _forgets,
    "reconnect": _reconnect,
    "cut": _cut,
    "stall": _stall,
    "part": _part,
    "stop": _stop,
    "slow": _slow,
    "late frames": _late_frames,
    "refuse": _refuse,
    "kill router": _kill_router,
    "kill frontend": _kill_frontend,
    "store fails": _store_fails,
    "clock": _clock,
    "key again": _key_again,
    "key reused": _key_reused,
    "too large": _too_large,
    "retire": _retire,
    "hasty": _hasty,
    "hello again": _hello_again,
    "hard return": _hard_return,
}

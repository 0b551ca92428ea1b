"""Keys of the link for tests, as `zrouter keygen` makes them."""

from __future__ import annotations

from pathlib import Path

import zmq
from click.testing import CliRunner

from zrouter.cli.commands import commands
from zrouter.link.curve_keys import read_curve_keys


class LinkKeys:
    """A folder with the router's keys, its allow list, and those of peers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.allow = folder / "allow.toml"
        self.router = folder / "router.key"
        _keygen(str(self.router))

    def serve_options(self) -> tuple[str, ...]:
        """What `zrouter serve` needs; there has to be a peer by then."""
        return "--curve-server-key-file", str(self.router), "--curve-allow-file", str(self.allow)

    def peer(self, name: str, *roles: str) -> str:
        """The file of a peer with these roles; it is in the allow list."""
        path = self.folder / f"{name}.key"
        if not path.exists():
            listed = [part for role in roles for part in ("--role", role)]
            _keygen(str(path), "--router", str(self.router), "--allow", str(self.allow), *listed)
        return str(path)

    def change(self, name: str, *roles: str) -> None:
        """Give a peer of the allow list other roles; none: take it out."""
        tables = self.allow.read_text().split("\n\n")
        rest = [table.rstrip("\n") for table in tables if not table.startswith(f'["{name}"]')]
        if roles:
            public = read_curve_keys(str(self.folder / f"{name}.key"), is_peer=True).public
            listed = ", ".join(f'"{role}"' for role in roles)
            rest.append(f'["{name}"]\npublic = "{public}"\nroles = [{listed}]')
        fresh = self.folder / "allow.fresh"
        fresh.write_text("\n\n".join(rest) + "\n")
        fresh.replace(self.allow)


def use_keys(socket: zmq.Socket[bytes], path: str) -> None:
    """Give a socket that is not connected yet the keys of a peer's file."""
    keys = read_curve_keys(path, is_peer=True)
    socket.set(zmq.CURVE_SERVERKEY, keys.router.encode())
    socket.set(zmq.CURVE_PUBLICKEY, keys.public.encode())
    socket.set(zmq.CURVE_SECRETKEY, keys.secret.encode())


def _keygen(*arguments: str) -> None:
    done = CliRunner().invoke(commands, ["keygen", *arguments])
    assert done.exit_code == 0, done.output

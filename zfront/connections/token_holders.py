"""Clients that came with a token: until when they may stay, and as whom they may be connected meanwhile.

Owns: the ends of all, whose token each has, the claims of those who may send a fresh one, how many bad ones
they sent. Must not know: sockets, transports, how a client is told or ended.

Of a token no more is kept than what revoking it needs: when it was made, 64 bits of a hash of `sub` that only
this process knows, and as many of `jti` once one has come that has some. 12 or 20 bytes for a connection.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from zfront.connections.end_times import Due, EndTimes
from zfront.requests.stream_request import BadStreamRequestError
from zfront.requests.token_places import NotAdmittedError
from zrouter.tokens.revocations import Batch
from zrouter.wire import Revocation

if TYPE_CHECKING:
    from zfront.requests.admission import Admitted
    from zrouter.tokens.revocations import RevokedTokens
    from zrouter.tokens.verify import Claims

_BAD_TOKENS: Final = 10  # that a client may send
_BLOCK: Final = 256
_LATEST: Final = 2**32 - 1


class Renewing(Protocol):
    """What is asked about fresh tokens: requests/admission.py, or a backend."""

    refused: dict[str, int]
    admitted: int
    renewed: int
    revoked: RevokedTokens

    def revoke(self, revocations: Iterable[Revocation]) -> None:
        """These tokens are good no longer."""

    def renew(self, token: str, before: Claims) -> Admitted:
        """What a client's fresh token says; NotAdmittedError: it is not good."""


class TokenHolders:
    """`admission` is asked about fresh tokens; None: there are none. `clock` is that of ends [s]."""

    def __init__(self, admission: Renewing | None, warning_s: float, clock: Callable[[], float]) -> None:
        self._admission = admission
        self._clock = clock
        self._ends = EndTimes(warning_s, clock())
        self._admitted: dict[int, Admitted] = {}  # those who may send a fresh one
        self._bad_tokens: dict[int, int] = {}
        self._subs: array[int] = array("q")
        self._token_ids: array[int] = array("q")
        self._made: array[int] = array("I")
        self._revoked: set[int] = set()  # those that are to end for that

    def came(self, connection: int, admitted: Admitted, *, may_renew: bool) -> None:
        """This client came with that, or has it now in place of what it had."""
        self._ends.begin(connection, admitted.ends_in_s, self._clock())
        self._remember(connection, admitted.claims)
        if may_renew:
            self._admitted[connection] = admitted
            self._bad_tokens.pop(connection, None)

    def forget(self, connection: int) -> None:
        """It has left, or waits for nothing any more; no error if it had no token."""
        self._ends.forget(connection)
        self._revoked.discard(connection)
        self._admitted.pop(connection, None)
        self._bad_tokens.pop(connection, None)

    def revoke(self, revocations: Iterable[Revocation]) -> bool:
        """These tokens are good no longer: who has one is due. Whether somebody is."""
        if self._admission is None:
            return False
        revocations = list(revocations)
        if not revocations:
            return False  # a reminder of how many there are
        self._admission.revoke(revocations)
        batch = Batch(revocations)
        everybody = batch.everybody
        befores = {hash(sub): before for sub, before in batch.befores.items()}
        token_ids = set(map(hash, batch.token_ids))
        found = False
        for connection in self._ends.who():
            made = self._made[connection]
            before = befores.get(self._subs[connection], -1)
            if (
                made < everybody
                or made < before
                or (made == 0 and max(everybody, before) >= 0)  # it does not say when it was made
                or (self._token_ids and self._token_ids[connection] in token_ids)
            ):
                self._revoked.add(connection)
                self._ends.end_now(connection)
                found = True
        return found

    def is_revoked(self, connection: int) -> bool:
        """Whether its end is due for its token was revoked."""
        return connection in self._revoked

    def _remember(self, connection: int, claims: Claims) -> None:
        _reach(self._subs, connection)
        _reach(self._made, connection)
        self._subs[connection] = 0 if claims.sub is None else hash(claims.sub)
        if claims.token_id or self._token_ids:
            _reach(self._token_ids, max(connection, len(self._subs) - 1))
            self._token_ids[connection] = hash(claims.token_id) if claims.token_id else 0
        self._made[connection] = 0 if claims.made_at is None else min(int(claims.made_at), _LATEST)
        self._revoked.discard(connection)

    def due(self, most: int) -> list[Due]:
        """Those to be warned or ended now, no more than that."""
        now = self._clock()
        return self._ends.due(now, most) if self._ends.is_anyone_due(now) else []

    def fresh(self, connection: int, token: str) -> Admitted:
        """What a client's fresh token says.

        Raises:
            BadStreamRequestError: it is not good; the old one stays.
        """
        before = self._admitted.get(connection)
        if self._admission is None or before is None:
            raise BadStreamRequestError("this frontend takes no tokens")
        try:
            return self._admission.renew(token, before.claims)
        except NotAdmittedError as error:
            self._bad_tokens[connection] = self._bad_tokens.get(connection, 0) + 1
            raise BadStreamRequestError(error.text) from None

    def has_sent_too_many(self, connection: int) -> bool:
        """Whether it has sent so many bad ones that it is to go."""
        return self._bad_tokens.get(connection, 0) >= _BAD_TOKENS

    def check(
        self, connection: int, login: Iterable[bytes], watch: Iterable[bytes], fresh: Admitted | None = None
    ) -> None:
        """Whether the fresh token, or else the one that it has, is for all of these.

        Raises:
            BadStreamRequestError: for one of them it is not.
        """
        admitted = fresh or self._admitted.get(connection)
        if admitted is None:
            return
        if (refused := admitted.claims.ids.first_refused(login)) is not None:
            raise BadStreamRequestError(f"the token is not for {refused.decode()}")
        if (refused := admitted.claims.watch.first_refused(watch)) is not None:
            raise BadStreamRequestError(f"the token is not for watching {refused.decode()}")

    def refusals(self) -> Mapping[str, int]:
        """Requests that were not let in, by why."""
        return {} if self._admission is None else self._admission.refused

    def figures(self) -> dict[str, int]:
        """Of requests that were let in or not."""
        if self._admission is None:
            return {}
        refused = {f"refused_{why}": count for why, count in self._admission.refused.items()}
        return {
            "admitted": self._admission.admitted,
            "renewed": self._admission.renewed,
            "revocations": len(self._admission.revoked),
            **refused,
        }


def _reach(column: array[int], connection: int) -> None:
    """Have a place for that connection."""
    if connection >= len(column):
        column.extend([0] * (connection + _BLOCK - len(column)))

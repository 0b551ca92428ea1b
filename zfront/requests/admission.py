"""Who may open a stream: a request with a good token, for the ids that the token grants.

Owns: the one check that every way in goes through, and its counters. Must not know: sockets, Tornado, where
the keys come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from zfront.requests.origins import Origins
from zfront.requests.token_places import NotAdmittedError, TokenHeaders, find_token, refused
from zrouter.tokens.errors import REVOKED, TokenError
from zrouter.tokens.revocations import RevokedTokens
from zrouter.tokens.verify import Claims, Verifier
from zrouter.wire import Revocation

if TYPE_CHECKING:
    from zfront.requests.stream_request import StreamRequest


class Admitted(NamedTuple):
    """Claims of a good token, and for how long they hold from now on [s]."""

    claims: Claims
    ends_in_s: float


class Admission:
    """See the module's docstring. `now` gives Unix time [s]."""

    def __init__(
        self, verifier: Verifier, origins: Origins, now: Callable[[], float], cookie_name: str = ""
    ) -> None:
        self.revoked = RevokedTokens(now)
        self.refused: dict[str, int] = {}  # requests, by why
        self.admitted = 0
        self.renewed = 0  # times that a client sent a fresh token
        self._verifier = verifier
        self._origins = origins
        self._now = now
        self._cookie_name = cookie_name

    def admit(self, asked: StreamRequest, said: TokenHeaders, is_websocket: bool) -> Admitted:
        """Whether this may be opened.

        Raises:
            NotAdmittedError: it may not.
        """
        try:
            found = find_token(said, asked.tokens, is_websocket, self._cookie_name)
            if found.is_from_cookie:
                check_page(self._origins, said, is_websocket)
            admitted = self._verified(found.token)
            check_ids(admitted.claims, asked.ids, asked.watched)
        except NotAdmittedError as error:
            self._count(error)
            raise
        self.admitted += 1
        return admitted

    def renew(self, token: str, before: Claims) -> Admitted:
        """A client that is here has a fresh token, of the same subject.

        Raises:
            NotAdmittedError: it is not good, or somebody else's.
        """
        try:
            admitted = self._verified(token)
            if admitted.claims.sub != before.sub:
                raise NotAdmittedError(403, "the token is of another sub", "sub")
        except NotAdmittedError as error:
            self._count(error)
            raise
        self.renewed += 1
        return admitted

    def revoke(self, revocations: Iterable[Revocation]) -> None:
        """These tokens are good no longer."""
        self.revoked.add(revocations)

    def _count(self, error: NotAdmittedError) -> None:
        self.refused[error.reason] = self.refused.get(error.reason, 0) + 1

    def _verified(self, token: str) -> Admitted:
        now = self._now()
        try:
            claims = self._verifier.verify(token, now)
        except TokenError as error:
            raise refused(error.reason) from None
        if self.revoked.has(claims.sub, claims.token_id, claims.made_at):
            raise refused(REVOKED)
        return Admitted(claims, claims.ends_at - now)


def check_page(origins: Origins, said: TokenHeaders, is_websocket: bool) -> None:
    """A cookie comes whichever page asks: it has to be one of ours, or of an origin that is named.

    Raises:
        NotAdmittedError: it is another.
    """
    if said.origin:
        if origins.may_open(said.origin, said.host):
            return
        raise NotAdmittedError(403, "that page may not use the cookie: see --cors", "page")
    # A page's own EventSource says no Origin, but a browser says that it is the same site's (W3C's Fetch
    # Metadata). For a WebSocket it always says Origin.
    if is_websocket or said.fetch_site != "same-origin":
        raise NotAdmittedError(403, "a cookie counts with Origin or Sec-Fetch-Site: same-origin", "page")


def check_ids(claims: Claims, ids: Iterable[bytes], watched: Iterable[bytes]) -> None:
    """Refuse what the claims do not grant.

    Raises:
        NotAdmittedError: one of these.
    """
    if claims.ids.first_refused(ids) is not None:
        raise NotAdmittedError(403, "the token is not for one of these ids", "ids")
    if claims.watch.first_refused(watched) is not None:
        raise NotAdmittedError(403, "the token is not for watching one of these ids", "watch")

"""Who may open a stream, by what a backend says: asked once for the same credentials, and its answer kept.

Owns: asking, within bounds; the answers that are kept; what a backend that fails means. Must not know: how a
request comes in, what is passed on of it (passed_on.py), what an answer says (backend_answer.py).

Where many come with the same credentials at once, one question answers all. A backend that fails a few times
in a row is left alone for a moment, and then tried by one: meanwhile nobody new is let in, and who is parked
stays.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from tornado.httpclient import HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from zfront.requests.admission import Admitted, check_ids, check_page
from zfront.requests.backend_answer import MOST_BYTES, BadAnswerError, read_answer
from zfront.requests.origins import Origins
from zfront.requests.passed_on import Found, PassedOn
from zfront.requests.stream_request import StreamRequest
from zfront.requests.token_places import NotAdmittedError, TokenHeaders, find_elsewhere, refused
from zrouter.tokens.errors import REVOKED
from zrouter.tokens.revocations import Batch, RevokedTokens
from zrouter.tokens.verify import Claims
from zrouter.wire import Revocation

log = logging.getLogger("zfront.auth")

UNDER_WAY: Final = 64  # questions; more are refused
KEPT_BYTES: Final = 16 << 20  # of answers, as they came
REFUSALS: Final = 10_000
_ENTRY_BYTES: Final = 512
_REFUSAL_S: Final = 1.0  # for how long a refusal is kept
_FAILURES: Final = 5  # in a row, and it is left alone
_PAUSE_S: Final = (1.0, 3.0)
_LINE_S: Final = 10.0  # between two lines of the log


class _Kept(NamedTuple):
    """An answer: claims, or the status of a refusal. Times are of CLOCK_BOOTTIME [s], as ends are."""

    claims: Claims | None
    status: int
    kept_until: float
    good_until: float
    size: int = 0  # bytes


class BackendFailedError(Exception):
    """It gave no answer that can be used; the text says why. `is_away`: to nobody, as far as can be seen."""

    def __init__(self, why: str, is_away: bool = True) -> None:
        super().__init__(why)
        self.is_away = is_away


class BackendAdmission:
    """`longest_s`: how long a connection may last whose answer does not say how long it is good."""

    def __init__(
        self,
        url: str,
        passed_on: PassedOn,
        origins: Origins,
        timeout_s: float,
        cache_s: float,
        longest_s: float,
        ca_file: str = "",
    ) -> None:
        self.refused: dict[str, int] = {}  # requests, by why
        self.admitted = 0
        self.renewed = 0
        self.asked = 0  # questions to the backend
        self.failed = 0  # of these, without an answer that can be used
        self.revoked = RevokedTokens(time.time)
        self._url = url
        self._passed_on = passed_on
        self._origins = origins
        self._timeout_s = timeout_s
        self._cache_s = cache_s
        self._longest_s = longest_s
        self._ca_file = ca_file or None
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._refusals: OrderedDict[bytes, _Kept] = OrderedDict()  # so that bad ones take no good one's place
        self._under_way: dict[bytes, asyncio.Task[_Kept]] = {}
        self._in_a_row = 0  # failures
        self._closed_until = 0.0
        self._next_line = 0.0  # of the log
        self._forgotten_at = 0.0
        self._client: SimpleAsyncHTTPClient | None = None

    async def admit(
        self, asked: StreamRequest, said: TokenHeaders, headers: dict[str, list[str]], is_websocket: bool
    ) -> Admitted:
        """Whether this may be opened. `headers` are those of the request, by their small names.

        Raises:
            NotAdmittedError: it may not; with status 503, the backend is not there to say.
        """
        try:
            token = find_elsewhere(said, asked.tokens, is_websocket)
            found = self._passed_on.find(headers, token)
            if found is None:
                raise NotAdmittedError(401, "credentials are needed", "missing")
            if found.needs_page:
                check_page(self._origins, said, is_websocket)
            kept = await self._answer(found)
            if kept.claims is None:
                raise NotAdmittedError(kept.status, "the backend refuses these credentials", "backend")
            check_ids(kept.claims, asked.ids, asked.watched)
        except NotAdmittedError as error:
            self.refused[error.reason] = self.refused.get(error.reason, 0) + 1
            raise
        self.admitted += 1
        return Admitted(kept.claims, kept.good_until - time.clock_gettime(time.CLOCK_BOOTTIME))

    def renew(self, token: str, before: Claims) -> Admitted:
        """A client that is here can't be asked about anew.

        Raises:
            NotAdmittedError: always.
        """
        raise NotAdmittedError(400, "this frontend asks a backend: open a new connection", "renew")

    def report(self) -> dict[str, int]:
        """Figures for `zrouter stats`."""
        return {
            "auth_asked": self.asked,
            "auth_failed": self.failed,
            "auth_kept": len(self._kept),
            "auth_kept_bytes": self._kept_bytes,
            "auth_under_way": len(self._under_way),
        }

    async def _answer(self, found: Found) -> _Kept:
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        kept = self._kept.get(found.key) or self._refusals.get(found.key)
        if kept is not None:
            if now < kept.kept_until and not self._is_revoked(kept):
                if kept.claims is not None:
                    self._kept.move_to_end(found.key)
                return kept
            self._forget(found.key)
        task = self._under_way.get(found.key)
        if task is None:
            if len(self._under_way) >= UNDER_WAY:
                raise _unavailable("busy")
            if time.monotonic() < self._closed_until or (self._in_a_row >= _FAILURES and self._under_way):
                raise _unavailable("backend_away")
            task = self._under_way[found.key] = asyncio.ensure_future(self._ask(found))
            task.add_done_callback(lambda _: self._under_way.pop(found.key, None))
        try:
            # Whoever asked first may hang up: the others wait for the same.
            answer = await asyncio.shield(task)
        except BackendFailedError:
            raise _unavailable("backend_away") from None
        if self._is_revoked(answer):
            raise refused(REVOKED)
        return answer

    def _is_revoked(self, kept: _Kept) -> bool:
        claims = kept.claims
        return claims is not None and self.revoked.has(claims.sub, b"", claims.made_at)

    async def _ask(self, found: Found) -> _Kept:
        self.asked += 1
        # Of when it is asked: what is revoked while the backend thinks counts.
        asked_at = time.time()
        try:
            kept = await self._fetched(found, asked_at)
        except BackendFailedError as error:
            self._fails(error)
            raise
        if self._in_a_row >= _FAILURES:
            log.warning("the backend answers again")
        self._in_a_row = 0
        if kept.kept_until > time.clock_gettime(time.CLOCK_BOOTTIME) and asked_at >= self._forgotten_at:
            self._keep(found.key, kept)
        return kept

    def _keep(self, key: bytes, kept: _Kept) -> None:
        if kept.claims is None:
            self._refusals[key] = kept
            if len(self._refusals) > REFUSALS:
                self._refusals.popitem(last=False)
            return
        self._kept[key] = kept
        self._kept_bytes += kept.size
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= self._kept.popitem(last=False)[1].size

    def _forget(self, key: bytes) -> None:
        self._refusals.pop(key, None)
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._kept_bytes -= kept.size

    def revoke(self, revocations: Iterable[Revocation]) -> None:
        """These tokens are good no longer; here a subject's answers are, that were given before."""
        revocations = list(revocations)
        self.revoked.add(revocations)
        batch = Batch(revocations)
        if not batch.befores and batch.everybody < 0:
            return
        self._forgotten_at = time.time()  # what is being asked now is not kept
        for key, kept in list(self._kept.items()):
            claims = kept.claims
            assert claims is not None
            before = max(batch.everybody, batch.befores.get(claims.sub or b"", -1))
            if (claims.made_at or 0) < before:
                self._forget(key)

    async def _fetched(self, found: Found, asked_at: float) -> _Kept:
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(
                force_instance=True,
                max_clients=UNDER_WAY,
                max_body_size=MOST_BYTES,
                max_header_size=MOST_BYTES,
            )
        request = HTTPRequest(
            self._url,
            headers={**found.headers, "Accept": "application/json"},
            follow_redirects=False,
            decompress_response=False,
            connect_timeout=self._timeout_s,
            request_timeout=self._timeout_s,
            ca_certs=self._ca_file,
            user_agent="zfront",
        )
        try:
            answer = await asyncio.wait_for(
                self._client.fetch(request, raise_error=False), self._timeout_s + 1
            )
        except Exception as error:  # Tornado raises what it finds: nobody is let in by that
            raise BackendFailedError(type(error).__name__) from None
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        if answer.code in (401, 403):
            return _Kept(None, answer.code, now + _REFUSAL_S, now)
        if answer.code != 200:
            where = f" to {answer.headers['Location'][:200]!a}" if "Location" in answer.headers else ""
            # 500 may be of these credentials alone: it must not shut out all others.
            raise BackendFailedError(f"status {answer.code}{where}", is_away=answer.code in (502, 503, 504))
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise BackendFailedError("its answer is not application/json", is_away=False)
        try:
            said = read_answer(answer.body, asked_at)
        except BadAnswerError as error:
            raise BackendFailedError(f"its answer can't be used: {error}", is_away=False) from None
        good_s = min(said.expires_in_s or self._longest_s, self._longest_s)
        size = len(answer.body) + _ENTRY_BYTES
        return _Kept(said.claims, 200, now + min(good_s, self._cache_s), now + good_s, size)

    def _fails(self, error: BackendFailedError) -> None:
        self.failed += 1
        now = time.monotonic()
        if error.is_away:
            self._in_a_row += 1
            if self._in_a_row >= _FAILURES:
                self._closed_until = now + random.uniform(*_PAUSE_S)
        if now >= self._next_line:
            self._next_line = now + _LINE_S
            log.error("the backend %s gives no answer that can be used: %s", self._url, error)


def _unavailable(reason: str) -> NotAdmittedError:
    return NotAdmittedError(503, "who may connect can't be found out now", reason)

"""Who may use the API: keys, and what browsers and proxies say of those who stand behind them.

Owns: the rules of Authorization (RFC 6750), Origin and Host; counters of refusals, and of each key's uses.
Must not know: requests, where keys come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from heapq import nlargest
from typing import Final, TypeAlias

from zfront.api.problem import Problem, ProblemError
from zfront.api.request_rates import RequestRates
from zfront.requests.credentials import Credentials
from zfront.requests.hosts import Hosts
from zfront.requests.origins import Origins
from zrouter.api_keys.keys import ANYBODY, ApiKey, ApiKeys

_REALM: Final = 'Bearer realm="zcomet"'
# Of so many keys, those that are used most, the uses are told.
_TOLD: Final = 32
_Refusal: TypeAlias = tuple[str, Problem]  # for which counter, and what is answered


class Authorization:
    """`keys` gives those that there are now. None: all may who can connect, if that is this machine only.

    `rate` = requests and messages of a key each second, 0: no bound; `clock` is a monotonic one [s].
    """

    def __init__(
        self,
        keys: Callable[[], ApiKeys] | None,
        is_local: bool,
        origins: Origins,
        hosts: Hosts,
        rate: float = 0.0,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.refused: Counter[str] = Counter()  # requests, by why
        self.uses: Counter[str] = Counter()  # of each key, by its id
        self._rates = RequestRates(rate)
        self._clock = clock
        self._keys = keys
        self._is_local = is_local
        self._origins = origins
        self._hosts = hosts

    def admit(self, asked: Credentials, scope: str) -> ApiKey:
        """The key of a request that needs this scope (empty: any key will do).

        Raises:
            ProblemError: it is refused.
        """
        found = self._found(asked, scope)
        if not isinstance(found, ApiKey):
            why, problem = found
            raise self._refused(why, problem)
        if wait_s := self._rates.wait_s(found.id, self._clock()):
            detail = "this API key has had as many requests and messages as it may"
            raise self._refused("rate", Problem(429, detail, headers=(("Retry-After", str(wait_s)),)))
        if found.id:
            self.uses[found.id] += 1
        return found

    def spend(self, key: ApiKey, messages: int) -> None:
        """A request has so many messages: all behind the first count as requests do."""
        self._rates.spend(key.id, messages - 1, self._clock())

    def would_admit(self, asked: Credentials, scope: str) -> bool:
        """Whether `admit` would; nothing is counted."""
        return isinstance(self._found(asked, scope), ApiKey)

    def still_admits(self, key: ApiKey) -> bool:
        """Whether a key that was good when its request began is so now."""
        return self._keys is None or self._keys().has(key)

    def revoked(self) -> ProblemError:
        """What is raised for one that is good no longer."""
        return self._refused("key", _no_longer())

    def check_id(self, key: ApiKey, an_id: bytes) -> None:
        """Refuse an id that the key is not for.

        Raises:
            ProblemError: with status 403.
        """
        if key.first_refused((an_id,)) is not None:
            raise self._refused("ids", Problem(403, "the API key is not for this id"))

    def check_list(self, key: ApiKey, ids: Iterable[bytes]) -> None:
        """Refuse a list that has an id that the key is not for.

        Raises:
            ProblemError: with status 403; `element` counts from 0.
        """
        at = key.first_refused(ids)
        if at is not None:
            problem = Problem(403, f"element {at}: the API key is not for this id", {"element": at})
            raise self._refused("ids", problem)

    def lines_for(self, origin: str) -> bytes:
        """The lines of CORS that an answer to a page of that origin has; empty: it said none."""
        return self._origins.lines(origin)

    def report(self) -> dict[str, int]:
        """Figures for `zrouter stats`."""
        most = nlargest(_TOLD, self.uses.items(), key=lambda one: one[1])
        return {
            **{f"api_refused_{why}": count for why, count in self.refused.items()},
            **{f"api_key_{an_id}": count for an_id, count in most},
        }

    def _found(self, asked: Credentials, scope: str) -> ApiKey | _Refusal:
        if not self._origins.may_open(asked.origin, asked.host):
            return "page", Problem(403, f"pages of {asked.origin} may not: see --cors")
        if self._keys is None:
            return self._open(asked) or ANYBODY
        scheme, _, given = asked.authorization.partition(" ")
        key = self._keys().find(given.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            return _no_key(asked, scheme)
        return key if key.may(scope) else _no_scope(scope)

    def _open(self, asked: Credentials) -> _Refusal | None:
        """Why nobody may without keys."""
        if not self._is_local:
            return _not_configured("this frontend listens beyond loopback")
        if asked.is_forwarded:
            return _not_configured("a proxy passed this on")
        refusal = self._hosts.refusal(asked.host)
        return _not_configured(refusal) if refusal else None

    def _refused(self, why: str, problem: Problem) -> ProblemError:
        self.refused[why] += 1
        return ProblemError(problem)


def _not_configured(why: str) -> _Refusal:
    detail = f"no API key is configured, and {why}: give zfront --api-key-file"
    return "not_configured", Problem(403, detail)


def _no_key(asked: Credentials, scheme: str) -> _Refusal:
    if asked.authorization:
        is_bearer = scheme.lower() == "bearer"
        why, detail = "key", "the API key is wrong" if is_bearer else "an API key comes as Bearer KEY"
    elif asked.is_key_in_url:
        why, detail = "key_in_url", "a key in a URL is in logs by now: revoke it; a key comes as Bearer KEY"
    else:
        why, detail = "no_key", "an API key is needed: Authorization: Bearer KEY"
    return why, Problem(401, detail, headers=(("WWW-Authenticate", _REALM),))


def _no_longer() -> Problem:
    return Problem(401, "the API key is good no longer", headers=(("WWW-Authenticate", _REALM),))


def _no_scope(scope: str) -> _Refusal:
    # RFC 6750, section 3.1.
    challenge = f'{_REALM}, error="insufficient_scope", scope="{scope}"'
    detail = f"the API key lacks the scope {scope}"
    return "scope", Problem(403, detail, {"scope": scope}, (("WWW-Authenticate", challenge),))

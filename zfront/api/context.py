"""What all requests of the API share: who may, the way to the router, bounds, counters."""

from __future__ import annotations

import time
from collections.abc import Callable

from zfront.api.authorization import Authorization
from zfront.api.pending_requests import PendingRequests
from zfront.requests.hosts import Hosts
from zfront.requests.origins import Origins
from zfront.router_link import RouterLink
from zfront.settings import FrontSettings
from zrouter.api_keys.keys import ApiKeys
from zrouter.daemon.exposure import is_loopback


class ApiContext:
    """`keys` gives the API keys that there are now; None: there are to be none."""

    def __init__(
        self,
        settings: FrontSettings,
        keys: Callable[[], ApiKeys] | None,
        link: RouterLink,
        origins: Origins,
        hosts: Hosts,
    ) -> None:
        self.requests = 0  # that came, both ways
        self.sent = 0  # messages that have a receipt
        self.refused = 0  # requests that were answered with an error
        self.authorization = Authorization(
            keys, is_loopback(settings.address()[0]), origins, hosts, settings.api_rate, time.monotonic
        )
        self.pending = PendingRequests(link, settings.api_timeout, settings.api_memory)
        self.max_body = settings.max_body
        self.body_timeout_s = settings.body_timeout

    def report(self) -> dict[str, int | float | str]:
        """Figures for `zrouter stats`."""
        return {
            "api_requests": self.requests,
            "api_sent": self.sent,
            "api_refused": self.refused,
            "api_busy": self.pending.busy,
            **self.authorization.report(),
        }

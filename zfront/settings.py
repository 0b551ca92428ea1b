"""zfront's settings; each is an option of `zfront serve`, an environment variable and a config key."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from zfront.requests.credentials import is_name
from zfront.requests.forwarded import Proxies
from zfront.requests.hosts import Hosts
from zfront.requests.open_mode import OpenMode
from zfront.requests.origins import Origins
from zrouter.daemon.arguments import ENDPOINT, key_file_of
from zrouter.daemon.exposure import is_loopback
from zrouter.daemon.logs import LEVELS
from zrouter.daemon.numbers import BYTES, Count, Number
from zrouter.daemon.options import setting
from zrouter.link.curve_keys import CurveKeys, read_curve_keys
from zrouter.wire import DEFAULT_ROUTER

if TYPE_CHECKING:
    from zfront.requests.passed_on import PassedOn
    from zrouter.api_keys.key_files import ApiKeyFile
    from zrouter.tokens.key_files import KeyFile

# Descriptors that are not clients: listening sockets, epolls, ZeroMQ, logs, requests under way.
# Of a worker, for all that is not a client: 40 of its own, `Linger`, `unparked.LEAST`, seats and API streams.
RESERVED_DESCRIPTORS = 184


@dataclass(frozen=True, kw_only=True)
class FrontSettings:
    """Where a frontend listens, which router it talks to, and its bounds."""

    listen: str = setting("127.0.0.1:8000", "HOST:PORT to listen on; port 0 picks a free one.")
    router: str = setting(DEFAULT_ROUTER, "The router's ZeroMQ endpoint.", type=ENDPOINT)
    curve_key_file: str = setting(
        "",
        "The frontend's keys, for a router that wants some; `zrouter keygen` makes them.",
        metavar="PATH",
    )
    api_curve_key_file: str = setting(
        "",
        "Keys for what the HTTP API asks of the router, on a link of its own; default: the frontend's own.",
        metavar="PATH",
    )
    name: str = setting("", "The frontend's name in `zrouter who`; default: zfront@HOST:PORT.")
    workers: int = setting(1, "Worker processes; each holds connections of its own.", type=Count(1, 512))
    max_connections: int = setting(
        0,
        "Connections per worker; more get 503. 0 = the open-files limit less a reserve.",
        type=Count(0, 1_000_000_000),
    )
    max_per_address: int = setting(
        0,
        "Connections of streams of one address per worker; more get 429. Of IPv6 the /64 counts; a proxy has "
        "to be trusted. 0 = no bound.",
        type=Count(0, 1_000_000_000),
    )
    max_per_id: int = setting(
        0, "Connections of one id per worker; more get 429. 0 = no bound.", type=Count(0, 1_000_000_000)
    )
    outbox: int = setting(
        65536, "What may wait for a client that does not read; beyond it, it is closed.", type=BYTES
    )
    unsent: int = setting(
        4 * 1024 * 1024,
        "What the kernel holds of what a client has not been sent; more waits in the outbox. The more "
        "clients a worker has, the less it is for a new one, down to 64 KiB. 0 = as the kernel's settings "
        "have it.",
        type=BYTES,
    )
    client_rate: int = setting(
        100,
        "Messages a second that a WebSocket may send; more are read later, and who goes on is closed.",
        type=Count(1, 1_000_000),
    )
    keepalive: int = setting(
        60,
        "A client silent for half to all of it is probed, and gone if it does not answer for half as long.",
        type=Count(1, 32767),
        unit="s",
    )
    alive: int = setting(
        25,
        "How often a stream is written to that is quiet, so that nothing on the way gives it up; 0 = never.",
        type=Count(0, 3600),
        unit="s",
    )
    poll_timeout: int = setting(
        30,
        "How long a poll waits for a message before the answer is 204.",
        type=Count(1, 3600),
        unit="s",
    )
    max_age: int = setting(
        0,
        "A connection is ended when it is about so old, to be made anew; 0 = never.",
        type=Count(0, 1_000_000_000),
        unit="s",
    )
    cors: str = setting(
        "", "Origins whose pages may read streams and open WebSockets, with commas between; * = all."
    )
    cors_credentials: bool = setting(
        False, "Pages of the origins that --cors names may send cookies along, and read the answer."
    )
    hosts: str = setting(
        "",
        "Names by which clients call this frontend, such as app.example, with commas between. On loopback "
        "and without keys no others are answered, but for those of loopback.",
    )
    path_ids_only: bool = setting(
        False,
        "Take the id of the path alone, for a proxy that checks it: no ?id=, no ?watch=, no logins or "
        "watches by a WebSocket.",
    )
    trusted_proxies: str = setting(
        "", "Addresses and networks of proxies whose X-Forwarded-For is believed, with commas between."
    )
    token_key_file: str = setting(
        "",
        "A file with keys that clients' tokens (JWT) are verified with: a JWK set, PEM, or a line with a "
        "secret. With it no stream is opened without a token.",
    )
    token_audience: str = setting("", "What `aud` of a token has to be, or have.")
    token_issuer: str = setting("", "What `iss` of a token has to be.")
    token_cookie: str = setting("", "A cookie that may have the token, by its name.")
    token_leeway: int = setting(
        30, "By how much the clock of whoever signs may differ.", type=Count(0, 3600), unit="s"
    )
    token_max_age: int = setting(
        86400,
        "How far away the end of a token may be; one that is good for longer is refused.",
        type=Count(1, 366 * 86400),
        unit="s",
    )
    token_warning: int = setting(
        30,
        "How long before its token is over a client is told so.",
        type=Count(0, 3600),
        unit="s",
    )
    auth_url: str = setting(
        "",
        "Ask this URL of your backend whom a request may be, in place of tokens: GET, with the headers and "
        "cookies of the two lists; it answers with JSON, or 401 or 403.",
    )
    auth_headers: str = setting(
        "Authorization", "Headers that are passed on to --auth-url, by their names with commas between."
    )
    auth_cookies: str = setting("", "Cookies that are passed on to --auth-url, by their names.")
    auth_timeout: float = setting(
        2.0,
        "How long --auth-url may take for an answer; then the client gets 503.",
        type=Number(0.1, 60),
        unit="s",
    )
    auth_cache: float = setting(
        60.0,
        "For how long the answer of --auth-url for the same credentials is kept; 0 = not at all.",
        type=Number(0, 86400),
        unit="s",
    )
    auth_ca_file: str = setting(
        "", "Certificates of those who sign that of --auth-url; without it, the system's.", metavar="PATH"
    )
    api_key: str = setting("", "A key for the HTTP API; better in a file, for others may see a command line.")
    api_key_file: str = setting(
        "", "A file with keys for the HTTP API; `zrouter keys` makes and revokes them."
    )
    api_rate: float = setting(
        0.0,
        "Requests and messages a second of one API key, per worker; more get 429. 0 = no bound.",
        type=Number(0, 1_000_000_000),
    )
    api_timeout: float = setting(
        5.0,
        "How long a request of the API waits for the router's answer; then it gets 504.",
        type=Number(0.1, 3600),
        unit="s",
    )
    api_connections: int = setting(
        100, "Connections per worker that the API keeps for single sends.", type=Count(1, 1_000_000)
    )
    api_memory: int = setting(
        64 * 1024 * 1024, "What all requests of the API hold together, per worker; more get 503.", type=BYTES
    )
    max_body: int = setting(
        16 * 1024 * 1024, "Longest body of a request of the API; a longer one gets 413.", type=BYTES
    )
    body_timeout: float = setting(
        60.0,
        "How long the body of a request of the API may take; then it gets 408.",
        type=Number(0.1, 3600),
        unit="s",
    )
    worker_timeout: float = setting(
        10.0,
        "With several workers: one that hangs for so long is killed and started again.",
        type=Number(0.1, 3600),
        unit="s",
    )
    shutdown_timeout: float = setting(
        20.0,
        "What has not ended so long after SIGTERM is killed, and the exit code is 1.",
        type=Number(0.1, 3600),
        unit="s",
    )
    no_park: bool = setting(
        False, "Keep Tornado's objects for every connection: to measure what parking saves."
    )
    insecure: bool = setting(
        False, "Allow listening beyond loopback, and behind a proxy, without authentication and encryption."
    )
    log_level: str = setting("info", "How much to log.", type=click.Choice(LEVELS))

    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise click.UsageError(f"--listen {self.listen}: not HOST:PORT")
        return host.strip("[]"), int(port)

    def curve_keys(self) -> CurveKeys | None:
        """Our keys on the link; None: there are none."""
        return _peer_keys("--curve-key-file", self.curve_key_file)

    def api_curve_keys(self) -> CurveKeys | None:
        """Those of the API's own link; None: it has none."""
        if self.api_curve_key_file and not self.curve_key_file:
            raise click.UsageError("--api-curve-key-file goes with --curve-key-file")
        return _peer_keys("--api-curve-key-file", self.api_curve_key_file)

    def token_keys(self) -> KeyFile | None:
        """The keys of tokens; None: there are no tokens."""
        if not self.token_key_file:
            if self.token_cookie or self.token_audience or self.token_issuer:
                raise click.UsageError("--token-cookie, -audience and -issuer are for --token-key-file")
            return None
        from zrouter.tokens.errors import KeyFileError
        from zrouter.tokens.key_files import KeyFile

        if self.token_cookie and self.cors.strip() == "*":
            raise click.UsageError("--token-cookie needs origins by name: --cors * lets every page use it")
        if self.token_cookie and not is_name(self.token_cookie):
            raise click.UsageError(f"--token-cookie {self.token_cookie!r}: no name of a cookie")
        try:
            return KeyFile(self.token_key_file)
        except KeyFileError as error:
            raise click.UsageError(f"--token-key-file {error}") from None

    def passed_on(self) -> PassedOn | None:
        """What is passed on to a backend that is asked whom a request may be; None: none is."""
        if not self.auth_url:
            if self.auth_cookies or self.auth_ca_file:
                raise click.UsageError("--auth-cookies and --auth-ca-file are for --auth-url")
            return None
        if self.token_key_file:
            raise click.UsageError("--auth-url or --token-key-file, not both")
        from zfront.requests.passed_on import PassedOn

        self._check_auth_url()
        if self.auth_cookies and self.cors.strip() == "*":
            raise click.UsageError("--auth-cookies needs origins by name: --cors * lets every page use them")
        if self.auth_ca_file and not os.access(self.auth_ca_file, os.R_OK):
            raise click.UsageError(f"--auth-ca-file {self.auth_ca_file}: can't be read")
        try:
            return PassedOn(self.auth_headers, self.auth_cookies)
        except ValueError as error:
            raise click.UsageError(f"--auth-headers, --auth-cookies: {error}") from None

    def _check_auth_url(self) -> None:
        try:
            url = urlsplit(self.auth_url)
            is_one = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            is_one = False
        if not is_one or url.username or url.fragment or not self.auth_url.isascii() or " " in self.auth_url:
            raise click.UsageError("--auth-url: not http://HOST/PATH or https://HOST/PATH")
        if url.scheme == "http" and not is_loopback(url.hostname or "") and not self.insecure:
            raise click.UsageError("--auth-url: credentials go there in clear: https, or --insecure")

    def api_keys(self) -> ApiKeyFile | None:
        """The keys that open the API; None: only this machine may use it."""
        if not self.api_key and not self.api_key_file:
            return None
        from zrouter.api_keys.key_files import ApiKeyFile, read_plain
        from zrouter.api_keys.keys import ApiKeyError

        option = "--api-key"
        try:
            plain = read_plain(self.api_key)
            option = "--api-key-file"
            return ApiKeyFile(self.api_key_file, plain)
        except ApiKeyError as error:
            raise click.UsageError(f"{option} {error}") from None

    def warnings_of_keys(self, keys: ApiKeyFile | None) -> list[str]:
        """What to tell of them."""
        found = []
        if keys is not None and keys.has_plain_file:
            found.append(
                f"--api-key-file {self.api_key_file}: has plain keys, and each may do all: see zrouter keys"
            )
            if os.stat(self.api_key_file).st_mode & 0o006:
                found.append(
                    f"--api-key-file {self.api_key_file}: every user of this host can read it; chmod o="
                )
        if keys is not None and not keys.keys:
            found.append(f"--api-key-file {self.api_key_file}: has no key, so nobody may use the API")
        context = click.get_current_context(silent=True)
        if context and context.get_parameter_source("api_key") is ParameterSource.COMMANDLINE:
            found.append("--api-key: every user of this host can see it; --api-key-file is for one")
        return found

    def origins(self) -> Origins:
        """Whose pages may read what we say."""
        try:
            return Origins(self.cors, self.cors_credentials)
        except ValueError as error:
            raise click.UsageError(f"--cors {self.cors}: {error}") from None

    def known_hosts(self, has_keys: bool) -> Hosts:
        """By which names we are called; `has_keys`: there are some for the API."""
        try:
            return Hosts(not has_keys and is_loopback(self.address()[0]), self.hosts)
        except ValueError as error:
            raise click.UsageError(f"--hosts {self.hosts}: {error}") from None

    def open_mode(self) -> OpenMode | None:
        """Whom streams are for, where there are no tokens; None: there are, or all may."""
        if self.token_key_file or self.auth_url or self.insecure or not is_loopback(self.address()[0]):
            return None
        return OpenMode(self.origins(), self.known_hosts(has_keys=False))

    def proxies(self) -> Proxies:
        """Whose X-Forwarded-For is believed."""
        try:
            return Proxies(self.trusted_proxies)
        except ValueError as error:
            raise click.UsageError(f"--trusted-proxies {self.trusted_proxies}: {error}") from None

    def connection_limit(self) -> int:
        """Connections that one worker takes at the most."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        limit = max(files // 2, files - RESERVED_DESCRIPTORS - 2 * self.api_connections)
        return min(self.max_connections or limit, limit)


def _peer_keys(option: str, path: str) -> CurveKeys | None:
    if not path:
        return None
    with key_file_of(option):
        return read_curve_keys(path, is_peer=True)

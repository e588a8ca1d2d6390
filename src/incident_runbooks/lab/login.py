# SPDX-License-Identifier: GPL-3.0-or-later
"""How logging in goes in the lab, seen from outside, and the Redis that it needs, without its Service."""

from __future__ import annotations

import hashlib
import json
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import urllib3

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.workloads.manifests import NAMESPACE, REDIS_PORT
from incident_runbooks.lab.workloads.site import PROBE_EMAIL

if TYPE_CHECKING:
    from incident_runbooks.lab.data import Data

BACKEND = "backend"
REDIS = "redis"
_ANSWER_S = 5.0
_ASKED = 4  # more than there are pods, which answer in turn
_STORM = 45  # more tries of an account than are taken within a minute
_LASTS_S = 600  # that its account stays refused
_SERVER_ERROR = 500
_TOO_MANY = 429
_UNAUTHORIZED = 401
_OK = 200


class Login:
    """Logging in to the platform of a lab.

    Args:
        lab: which is up, with the data plane.
    """

    def __init__(self, lab: Data) -> None:
        self._lab = lab
        self.platform = lab.platform()
        self._url = lab.ingress.url
        self._ca_cert = str(lab.ingress.ca_cert)

    # as people see it

    def log_in(self, email: str | None = None, password: str | None = None) -> urllib3.BaseHTTPResponse:
        """Try to log in, on a connection of its own; returns the answer.

        Args:
            email: of an account that nobody has, unless given: then no account runs into a limit.
            password: its password; a wrong one unless given.
        """
        said = {"email": email or f"{secrets.token_hex(8)}@example.com", "password": password or "wrong"}
        return self._ask("POST", "/api/auth/login", json=said)

    def fails(self) -> bool:
        """Return whether every pod answers with a server's error."""
        return all(self.log_in().status >= _SERVER_ERROR for _ in range(_ASKED))

    def works(self) -> bool:
        """Return whether every pod looks at the password."""
        return all(self.log_in().status == _UNAUTHORIZED for _ in range(_ASKED))

    def tokens_are_refused(self) -> bool:
        """Return whether a token of the probe account is refused somewhere."""
        answer = self.log_in(PROBE_EMAIL, self._lab.cluster.credentials.probe_password)
        if answer.status != _OK:
            return False
        return not self.takes(json.loads(answer.data)["access_token"])

    def takes(self, token: str) -> bool:
        """Return whether every pod takes a token."""
        headers = {"Authorization": f"Bearer {token}"}
        return all(self._ask("GET", "/api/users/me", headers=headers).status == _OK for _ in range(_ASKED))

    def storm(self) -> None:
        """Try the probe account's password again and again, until it is locked for long."""
        for _ in range(_STORM):
            self.log_in(PROBE_EMAIL)
        self.redis("EXPIRE", _tries(PROBE_EMAIL), str(_LASTS_S))

    def is_limited(self) -> bool:
        """Return whether logging in with the probe account is refused as there were too many tries."""
        return self.log_in(PROBE_EMAIL).status == _TOO_MANY

    def forget_tries(self) -> None:
        """Let no account be near its limit."""
        with self._connected() as redis:
            for key in list(redis.scan_iter(match="login:attempts:*", count=1000)):
                redis.delete(key)

    # the pods

    def pods(self) -> list[str]:
        """Return the names of the backend's pods."""
        return [pod["metadata"]["name"] for pod in self.platform.pods(BACKEND)]

    def is_settled(self) -> bool:
        """Return whether no pod of the backend is about to come or to go."""
        going = [pod for pod in self.platform.pods(BACKEND) if "deletionTimestamp" in pod["metadata"]]
        return not going and not self.platform.not_ready()

    def replace_pods(self) -> None:
        """Let every pod of the backend start anew."""
        for pod in self.pods():
            self.platform.api.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}", gracePeriodSeconds=1)
        self._lab.wait_until(self.is_settled, "the pods of the backend are replaced")

    def one_pod_waits_for(self, reason: str) -> bool:
        """Return whether a container of the backend waits for this reason."""
        found = [each for pod in self.platform.pods(BACKEND) for each in pod["status"].get("containerStatuses") or []]
        return any((each["state"].get("waiting") or {}).get("reason") == reason for each in found)

    # Redis

    @property
    def next_redis_password(self) -> str:
        """What a change of the password of Redis leads to."""
        return _next(self._lab.cluster.credentials.redis_password)

    @property
    def next_key(self) -> str:
        """What a change of the key of the tokens leads to."""
        return _next(self._lab.cluster.credentials.jwt_secret)

    @property
    def snapshot(self) -> Path:
        """The file that Redis saves to."""
        return self._lab.cluster.directory / "claims" / NAMESPACE / "data-redis-0" / "dump.rdb"

    def redis(self, *command: str, end_clients: bool = False) -> None:
        """Send Redis a command, at its pod's own address.

        Args:
            command: and its arguments.
            end_clients: end all connections afterwards, which otherwise keep the login that they began with.

        Raises:
            RunbookError: it does not answer, or refuses.
        """
        from redis import RedisError  # noqa: PLC0415 - heavy

        with self._connected() as redis:
            try:
                redis.execute_command(*command)
                if end_clients:
                    redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            except RedisError as error:
                raise RunbookError(f"Telling the lab's Redis {' '.join(command[:2])}: {error}") from error

    def restore_redis_password(self) -> None:
        """Let Redis have the password of its Secret again."""
        password = self._lab.cluster.credentials.redis_password
        with self._connected(self.next_redis_password) as redis, suppress(Exception):  # a restart has done it already
            redis.execute_command("CONFIG", "SET", "requirepass", password)

    def stop_redis(self) -> None:
        """Stop the process of Redis, which stays."""
        for process in self._redis_processes():
            process.send_signal(signal.SIGSTOP)

    def continue_redis(self) -> None:
        """Let a process of Redis go on that was stopped."""
        for process in self._redis_processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    def _redis_processes(self) -> list[psutil.Process]:
        inside = str(self._lab.directory.path)
        found = []
        for process in psutil.process_iter(["name"]):
            with suppress(psutil.Error):
                if process.info["name"] == "redis-server" and process.cwd().startswith(inside):
                    found.append(process)
        return found

    @contextmanager
    def _connected(self, password: str | None = None) -> Iterator[Any]:
        from redis import Redis  # noqa: PLC0415 - heavy
        from redis.backoff import NoBackoff  # noqa: PLC0415 - as above
        from redis.retry import Retry  # noqa: PLC0415 - as above

        (address, *_) = [pod["status"].get("podIP") for pod in self.platform.pods(REDIS)] or [None]
        if not address:
            raise RunbookError("Looking for Redis in the lab: it has no pod", hint="runbook lab heal")
        wanted = password or self._lab.cluster.credentials.redis_password
        connection = Redis(
            host=address,
            port=REDIS_PORT,
            password=wanted,
            socket_timeout=_ANSWER_S,
            socket_connect_timeout=_ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            yield connection
        finally:
            connection.close()

    def _ask(self, method: str, path: str, **said: Any) -> urllib3.BaseHTTPResponse:
        with urllib3.PoolManager(ca_certs=self._ca_cert, timeout=_ANSWER_S, retries=False) as pool:
            return pool.request(method, f"{self._url}{path}", **said)


def _next(value: str) -> str:
    return hashlib.sha256(f"next {value}".encode()).hexdigest()


def _tries(email: str) -> str:
    """The key under which the backend counts the tries of an account."""
    return f"login:attempts:{hashlib.sha256(email.lower().encode()).hexdigest()}"

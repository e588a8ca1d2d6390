# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the playbook auth_down against the lab, and look at the login, Redis and the key without it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.data import JWT_KEY, JWT_PATH
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.login import Login
from incident_runbooks.lab.services.secret_files import fingerprint
from incident_runbooks.lab.workloads import faults
from incident_runbooks.lab.workloads.site import PROBE_EMAIL
from support.payment_failure import assert_holds_no_secret
from support.payments import PaymentsRunbook, World
from support.platform import READING
from support.runbook import Run

JWT_SECRET = "jwt-secret"
_TOKEN = re.compile(r"eyJ[\w-]+\.eyJ")

Json = dict[str, Any]


def assert_holds_neither_secret_nor_token(run: Run, secrets: list[str]) -> None:
    """Nothing that the run wrote has one of the secrets, nor a JSON Web Token of anybody."""
    assert_holds_no_secret(run, secrets)
    files = [path for path in run.directory.rglob("*") if path.is_file()]
    assert files, "nothing was written: it proves nothing"
    for text in (run.output, *(path.read_text(encoding="utf-8", errors="replace") for path in files)):
        assert _TOKEN.search(text) is None, "a token is in the record"


class AuthRunbook(PaymentsRunbook):
    """The playbook with the lab's inventory; no run of it records a secret.

    Args:
        world: of the lab, which is up with the data plane.
        directory: of the test.
    """

    def __init__(self, world: AuthWorld, directory: Path) -> None:
        super().__init__(world.lab, directory, "auth_down")
        self.hosts |= {name: {} for name in ("redis", "auth", "vault")}
        self._world = world

    def run(self, *options: str, forget: bool = True, **extra: Any) -> Run:
        """Run it.

        Args:
            options: of ansible-playbook.
            forget: the logins of other runs lead to no limit.
            extra: variables.
        """
        if forget:
            with suppress(RunbookError, redis.RedisError, OSError):  # nobody counts while Redis is down
                self._world.login.forget_tries()
        run = super().run(*options, **extra)
        assert_holds_neither_secret_nor_token(run, [*self._world.secrets(), self.backend["kubernetes_api_key"]])
        return run


class AuthWorld(World):
    """What the playbook acts on, by other ways than its own.

    Args:
        lab: which is up, with the data plane.

    Attributes:
        login: the public address, as people use it.
    """

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.login = Login(lab)
        versions = range(1, lab.vault.version(JWT_PATH) + 1)
        self._kept = [lab.vault.read(JWT_PATH, version)[JWT_KEY] for version in versions]

    def token(self) -> str:
        """Log in with the probe account; returns the token."""
        answer = self.login.log_in(PROBE_EMAIL, self.lab.cluster.credentials.probe_password)
        assert answer.status == 200, answer.data
        return str(json.loads(answer.data)["access_token"])

    def takes(self, token: str) -> bool:
        """Return whether every pod takes a token."""
        return self.login.takes(token)

    def key(self) -> str:
        """Return the fingerprint of the signing key in the Secret."""
        return self.secret(JWT_KEY, JWT_SECRET)

    def kept_key(self) -> str:
        """Return the fingerprint of the signing key in Vault."""
        return fingerprint(self.lab.vault.read(JWT_PATH)[JWT_KEY])

    def pods(self, app: str = "backend") -> set[str]:
        """Return the uids of an application's pods."""
        return {pod["metadata"]["uid"] for pod in self.cluster.pods(app)}

    def standing(self) -> Json:
        """Return what the remediations change: the pods, their templates' revisions, the Secret with the key."""
        pods = [pod["metadata"] for app in ("backend", "redis") for pod in self.cluster.pods(app)]
        workloads = (("deployments", "backend"), ("statefulsets", "redis"))
        secret = self.cluster.get("secrets", JWT_SECRET, group="api/v1")
        return {
            "pods": {each["uid"] for each in pods if "deletionTimestamp" not in each},
            "generations": [self.cluster.get(*each)["metadata"]["generation"] for each in workloads],
            "secret": (secret["metadata"]["resourceVersion"], fingerprint(json.dumps(secret["data"], sort_keys=True))),
        }

    def undo(self, fault: str) -> None:
        """Undo a fault of an object or of a fault file, sooner than the lab does it with all the rest."""
        if fault == "redis-down":
            path = "/apis/apps/v1/namespaces/brandconnect/statefulsets/redis"
            self.cluster.api.patch(path, {"spec": {"replicas": 1}})
            self.lab.wait_until(lambda: not self.login.platform.not_ready(), "Redis is back")
        faults.withdraw(self.login.platform.site.faults)

    @contextmanager
    def only_looked_into(self) -> Iterator[None]:
        """In the block nobody changes anything in the cluster; what runs in a pod of Redis only looks at its files."""
        before = len(self.cluster.requests())
        yield
        asked = self.cluster.requests(before)
        changing = [each for each in asked if each["verb"] not in READING and "/exec" not in each["requestURI"]]
        assert [(each["verb"], each["requestURI"]) for each in changing] == []

    def secrets(self) -> list[str]:
        """Return what must be in no record, also the tokens of Vault and the versions of the key there."""
        keys = self.lab.vault.keys.to_plain().values()
        next_ones = (self.login.next_key, self.login.next_redis_password)
        return [*super().secrets(), *map(str, keys), *self._kept, *next_ones]

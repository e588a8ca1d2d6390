# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sends a request: users by a file of tokens, ServiceAccounts by tokens that the cluster has issued."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import SERVICE_ACCOUNTS
from incident_runbooks.lab.cluster.store import Store

Json = dict[str, Any]

AUTHENTICATED = "system:authenticated"
ADMINISTRATORS = "system:masters"
ISSUER = "https://kubernetes.default.svc.cluster.local"
_ALGORITHM = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True)
class User:
    """Who sends a request.

    Attributes:
        name: such as ``system:serviceaccount:shop:backend``.
        groups: such as ``system:masters``.
        uid: of a ServiceAccount; empty otherwise.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""

    def to_plain(self) -> Json:
        """Return it as the API's ``UserInfo``."""
        return {"username": self.name, "groups": list(self.groups)} | ({"uid": self.uid} if self.uid else {})


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def service_account(namespace: str, name: str, uid: str = "") -> User:
    """Return a ServiceAccount as a user."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)


class Identities:
    """Knows the cluster's users by their tokens.

    Args:
        tokens: file of JSON, ``{token: {"user": name, "groups": [...]}}``; read again when it has changed.
        store: has the ServiceAccounts: a token dies with its own.
    """

    def __init__(self, tokens: Path, store: Store) -> None:
        self._path = tokens
        self._store = store
        self._key = secrets.token_bytes(32)
        self._read_at: tuple[int, int, int] | None = None
        self._users: dict[str, User] = {}

    def authenticate(self, header: str | None) -> User:
        """Return who sends a request with that ``Authorization`` header; nobody in particular without one.

        Raises:
            ApiError: 401, the token is not known or has expired.
        """
        if not header:
            return ANONYMOUS
        scheme, _, token = header.partition(" ")
        token = token.strip()
        user = (self._by_file(token) or self._by_signature(token)) if scheme.lower() == "bearer" else None
        if user is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return user

    def issue(self, account: Json, lifetime_s: int, audiences: list[str]) -> tuple[str, float]:
        """Return a token for a ServiceAccount, and when it expires (seconds since the epoch)."""
        metadata = account["metadata"]
        issued = time.time()
        claims = {
            "aud": audiences,
            "exp": int(issued) + lifetime_s,
            "iat": int(issued),
            "iss": ISSUER,
            "jti": secrets.token_hex(16),
            "kubernetes.io": {
                "namespace": metadata["namespace"],
                "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
            },
            "nbf": int(issued),
            "sub": service_account(metadata["namespace"], metadata["name"]).name,
        }
        signed = f"{_encode(_ALGORITHM)}.{_encode(claims)}"
        return f"{signed}.{self._sign(signed)}", issued + lifetime_s

    def _by_file(self, token: str) -> User | None:
        self._reload()
        known = hashlib.sha256(token.encode()).hexdigest()  # what is compared says nothing of a token by its time
        return self._users.get(known)

    def _reload(self) -> None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._users, self._read_at = {}, None
            return
        state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if state == self._read_at:
            return
        try:
            listed = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return  # somebody is writing it: what was known stays
        self._users = {
            hashlib.sha256(token.encode()).hexdigest(): User(
                entry["user"], (*dict.fromkeys([*entry.get("groups", ()), AUTHENTICATED]),)
            )
            for token, entry in listed.items()
        }
        self._read_at = state

    def _by_signature(self, token: str) -> User | None:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(signed).encode()):
            return None
        claims = json.loads(_decode(signed.partition(".")[2]))
        about = claims["kubernetes.io"]
        name, uid = about["serviceaccount"]["name"], about["serviceaccount"]["uid"]
        account = self._store.find(SERVICE_ACCOUNTS, about["namespace"], name)
        if claims["exp"] <= time.time() or account is None or account["metadata"]["uid"] != uid:
            return None
        return service_account(about["namespace"], name, uid)

    def _sign(self, text: str) -> str:
        return _base64(hmac.new(self._key, text.encode(), hashlib.sha256).digest())


def _encode(value: Json) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

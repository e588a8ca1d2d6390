# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Vault: what hvac, the client of others, makes of it, and every refusal in Vault's form."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from typing import Any

import hvac
import pytest
import requests
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, RateLimitExceeded, VaultDown, VaultError

from incident_runbooks.lab.vault import part as parts
from incident_runbooks.lab.vault.part import VaultPart
from support.services import listening
from support.vault import VaultServer, vault, vault_part

__all__ = ["vault", "vault_part"]

VALUE = "c4n4ry/value"


@pytest.fixture
def root(vault: VaultServer) -> Iterator[hvac.Client]:
    client = hvac.Client(url=vault.part.url, token=vault.part.keys.root_token)
    yield client
    client.adapter.close()


def raw(vault: VaultServer, path: str, token: str | None = None, **headers: str) -> requests.Response:
    given = {"X-Vault-Token": token or vault.part.keys.reader_token, **headers}
    return requests.get(f"{vault.part.url}/v1/{path}", headers=given, timeout=10)


def test_versions_are_written_deleted_destroyed_and_brought_back(root: hvac.Client, vault: VaultServer) -> None:
    kv = root.secrets.kv.v2
    assert root.is_authenticated()
    for number in (1, 2, 3):
        written = kv.create_or_update_secret("apps/backend", {"JWT": f"{VALUE}{number}"})
        assert written["data"]["version"] == number
    assert kv.read_secret_version("apps/backend", raise_on_deleted_version=True)["data"]["data"]["JWT"] == f"{VALUE}3"
    assert kv.read_secret_version("apps/backend", version=1, raise_on_deleted_version=True)["data"]["data"] == {
        "JWT": f"{VALUE}1"
    }
    kv.delete_secret_versions("apps/backend", versions=[2])
    kv.destroy_secret_versions("apps/backend", versions=[1])
    kv.delete_latest_version_of_secret("apps/backend")
    for number, destroyed in ((1, True), (2, False), (3, False)):
        answer = raw(vault, f"secret/data/apps/backend?version={number}")
        assert answer.status_code == 404
        assert (answer.json()["data"]["data"], answer.json()["data"]["metadata"]["destroyed"]) == (None, destroyed)
    deleted = kv.read_secret_version("apps/backend", raise_on_deleted_version=False)  # hvac knows the shape
    assert deleted["data"]["metadata"]["deletion_time"]
    metadata = kv.read_secret_metadata("apps/backend")["data"]
    assert (metadata["current_version"], sorted(metadata["versions"])) == (3, ["1", "2", "3"])
    kv.undelete_secret_versions("apps/backend", versions=[3])
    assert raw(vault, "secret/data/apps/backend").json()["data"]["data"] == {"JWT": f"{VALUE}3"}
    with pytest.raises(InvalidRequest, match="check-and-set"):
        kv.create_or_update_secret("apps/backend", {"JWT": "x"}, cas=1)
    assert raw(vault, "secret/metadata/apps?list=true").json()["data"]["keys"] == ["backend"]
    kv.delete_metadata_and_all_versions("apps/backend")
    with pytest.raises(InvalidPath):
        kv.read_secret_metadata("apps/backend")


def test_the_engine_without_versions_and_how_the_two_are_told_apart(root: hvac.Client, vault: VaultServer) -> None:
    root.secrets.kv.v1.create_or_update_secret("backend", {"JWT": VALUE}, mount_point="kv")
    assert root.secrets.kv.v1.read_secret("backend", mount_point="kv")["data"] == {"JWT": VALUE}
    for mount, version in (("kv", "1"), ("secret", "2")):
        assert raw(vault, f"sys/internal/ui/mounts/{mount}/backend").json()["data"]["options"]["version"] == version
    assert raw(vault, "kv/data/backend").json() == {"errors": []}
    with pytest.raises(InvalidPath):
        root.secrets.kv.v1.read_secret("backend", mount_point="secret")
    assert "versioned K/V" in raw(vault, "secret/backend").json()["warnings"][0]


def test_every_refusal_is_vaults(root: hvac.Client, vault: VaultServer) -> None:
    root.secrets.kv.v2.create_or_update_secret("backend", {"JWT": VALUE})
    keys, data, mount = vault.part.keys, "secret/data/backend", "sys/internal/ui/mounts/nowhere/backend"
    for path, token, status, text in (
        ("secret/data/nothing", keys.reader_token, 404, None),
        ("secret/data/backend?version=9", keys.reader_token, 404, None),
        ("nowhere/data/backend", keys.root_token, 404, "no handler for route"),
        ("nowhere/data/backend", keys.reader_token, 403, "permission denied"),
        (mount, keys.reader_token, 403, "preflight capability check returned 403"),
        (data, keys.stranger_token, 403, "permission denied"),
        (data, "hvs.somebody", 403, "invalid token"),
        ("secret/metadata/backend", keys.data_token, 403, "permission denied"),
    ):
        answer = raw(vault, path, token)
        assert answer.status_code == status, path
        errors = answer.json()["errors"]
        assert (errors == []) if text is None else (text in errors[0]), path
    assert raw(vault, data, keys.data_token).status_code == 200
    other = raw(vault, data, **{"X-Vault-Namespace": "platform"})
    assert (other.status_code, other.json()) == (404, {"errors": []}), "a namespace has secrets of its own"
    with pytest.raises(Forbidden):
        hvac.Client(url=vault.part.url, token=keys.stranger_token).secrets.kv.v2.read_secret_version(
            "backend", raise_on_deleted_version=True
        )


@pytest.mark.parametrize(
    ("fault", "health", "error"),
    [
        ("sealed", 503, VaultDown),
        ("not-initialized", 501, VaultDown),
        ("standby", 429, None),
        ("standby-leaderless", 429, VaultError),
        ("dr-secondary", 472, InvalidRequest),
        ("performance-standby", 473, None),
        ("rate-limited", 200, RateLimitExceeded),
        ("down", 502, VaultError),
    ],
)
def test_a_sick_server(
    root: hvac.Client, vault: VaultServer, fault: str, health: int, error: type[Exception] | None
) -> None:
    root.secrets.kv.v2.create_or_update_secret("backend", {"JWT": VALUE})
    with vault.broken(fault):
        answer: Any = root.sys.read_health_status(method="GET")
        assert (answer.status_code if hasattr(answer, "status_code") else 200) == health
        if fault != "down":
            assert root.seal_status["sealed"] is (fault in {"sealed", "not-initialized"})
        if error is None:
            assert root.secrets.kv.v2.read_secret_version("backend", raise_on_deleted_version=True)
        else:
            with pytest.raises(error):
                root.secrets.kv.v2.read_secret_version("backend", raise_on_deleted_version=True)
    assert root.secrets.kv.v2.read_secret_version("backend", raise_on_deleted_version=True), "healed at once"


def test_what_is_logged_and_kept(root: hvac.Client, vault: VaultServer) -> None:
    root.secrets.kv.v2.create_or_update_secret("backend", {"JWT": VALUE})
    root.secrets.kv.v2.read_secret_version("backend", raise_on_deleted_version=True)
    root.secrets.kv.v1.create_or_update_secret("backend", {"JWT": VALUE}, mount_point="kv")
    root.secrets.kv.v1.read_secret("backend", mount_point="kv")
    log = vault.part.requests.read_text(encoding="utf-8")
    assert [each["status"] for each in vault.requests()] == [200, 200, 404, 204, 200]  # hvac looks before it writes
    assert VALUE not in log
    assert not [token for token in vault.part.keys.secrets() if token in log]
    assert vault.part.requests.stat().st_mode & 0o077 == 0
    assert (vault.part.directory / "state.json").stat().st_mode & 0o077 == 0
    assert VaultPart.from_plain(vault.part.to_plain()) == vault.part
    assert parts.answers(vault.part)
    assert "hvs." not in repr(vault.part)


def test_no_token_and_no_value_is_logged_whatever_is_sent(vault: VaultServer) -> None:
    keys, url = vault.part.keys, f"{vault.part.url}/v1"
    token, encoded = keys.reader_token, base64.b64encode(b"x" + keys.reader_token.encode()).decode()
    sent: list[tuple[str, int, dict[str, str | bytes]]] = [
        (f"nowhere/{encoded}", 403, {"X-Vault-Token": token}),
        (f"nowhere?token={encoded}&other={token}", 403, {"X-Other": encoded, "X-Vault-Token": "hvs.s0mebody"}),
        ("nowhere", 403, {"X-Vault-Token": b"hvs.n\xe9"}),  # not UTF-8
        ("nowhere", 403, {"Authorization": b"Bearer hvs.n\xe9"}),
        ("nowhere", 403, {"Proxy-Authorization": "Basic aHZzLnMwbWVib2R5"}),
    ]
    for path, status, headers in sent:
        assert requests.get(f"{url}/{path}", headers=headers, timeout=10).status_code == status, path
    destroyed = requests.post(
        f"{url}/secret/destroy/a", json={"versions": [VALUE]}, headers={"X-Vault-Token": keys.root_token}, timeout=10
    )
    assert destroyed.status_code == 400
    assert [each["status"] for each in vault.requests()] == [*(status for _, status, _ in sent), destroyed.status_code]
    with socket.create_connection(("127.0.0.1", vault.part.port), timeout=10) as connection:  # never an HTTP request
        connection.sendall(f"GET /v1/x HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\x01\r\n\r\n".encode())
        assert b"400 Bad Request" in connection.recv(100)
    for log in (vault.part.requests, vault.part.process.log):
        text = log.read_text(encoding="utf-8")
        for secret in (token, encoded[4:-4], VALUE, "hvs.s0mebody", "hvs.n", "aHZzLnMwbWVib2R5"):
            assert secret not in text, (log.name, secret)


def test_it_listens_on_loopback_only(vault: VaultServer) -> None:
    assert listening(vault.part.port) == {"127.0.0.1"}

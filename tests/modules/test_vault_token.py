# SPDX-License-Identifier: GPL-3.0-or-later
"""vault_token: until when the token is valid, asked of Vault; the token is not shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modules.k8s_support import Api, Reply, api, run_module

from ansible_collections.brandconnect.incidents.plugins.modules.vault_token import SPEC
from support.vault import VaultServer, vault, vault_part

__all__ = ["api", "vault", "vault_part"]
TOKEN = "hvs.c4n4ry"
PATH = "/v1/auth/token/lookup-self"


def asked(api: Api) -> dict[str, Any]:
    result = run_module(SPEC, {"vault_addr": api.url, "vault_token": TOKEN})
    assert TOKEN not in json.dumps(result)
    return result


@pytest.mark.parametrize(
    ("said", "ttl_s", "expires"),
    [
        ({"ttl": 3600, "expire_time": "2026-11-29T20:00:00Z", "renewable": True}, 3600, True),
        ({"ttl": 0, "expire_time": "2026-11-29T19:00:00Z"}, 0, True),
        ({"ttl": 0, "expire_time": None}, None, False),
        ({}, None, None),
        ({"ttl": "soon"}, None, None),
    ],
)
def test_until_when_it_is_valid(api: Api, said: dict[str, Any], ttl_s: int | None, expires: bool | None) -> None:
    api.answers[PATH] = Reply(200, {"data": {**said, "policies": ["default"]}})
    result = asked(api)
    assert (result["cause"], result["ttl_s"], result["expires"]) == (None, ttl_s, expires)
    assert result["policies"] == ["default"]
    assert [request.method for request in api.asked] == ["GET"]


def test_a_token_that_is_refused_is_a_result(api: Api) -> None:
    api.answers[PATH] = Reply(403, {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]})
    result = asked(api)
    assert (result["reachable"], result["cause"], result["expires"]) == (True, "invalid_auth", None)


def test_a_vault_that_is_not_there_is_a_result() -> None:
    result = run_module(SPEC, {"vault_addr": "http://127.0.0.1:1", "vault_token": TOKEN})
    assert (result["reachable"], result["cause"]) == (False, "refused")
    assert run_module(SPEC, {})["cause"] == "not_configured"


def test_the_lab_s_token_does_not_expire(vault: VaultServer) -> None:
    options = {name: value for name, value in vault.options().items() if name in SPEC.argument_spec}
    result = run_module(SPEC, options)
    assert (result["cause"], result["expires"]) == (None, False)

# SPDX-License-Identifier: GPL-3.0-or-later
"""vault_kv looks at one path of Vault, whatever state it is in; no form of a value is in what it says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.vault_kv import SPEC
from support.vault import VaultServer, fingerprint, vault, vault_part

__all__ = ["vault", "vault_part"]

FIRST, SECOND, THIRD = "c4n4ry/first", "c4n4ry/second", "c4n4ry/third välue"


def run(options: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    """Run the module as its edges do."""
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    params = {**defaults, "vault_path": "apps/backend", **options}
    said = conclude(SPEC, params, check_mode)
    result = censor(said, set(SPEC.secrets(params)))
    told = json.dumps(result, ensure_ascii=False)
    assert json.dumps(said, ensure_ascii=False) == told, "nothing has to be censored"
    for value in (FIRST, SECOND, THIRD):
        assert value not in told
        assert base64.b64encode(value.encode()).decode().rstrip("=") not in told
    assert "hvs." not in told
    assert result["changed"] is False
    return result


def three(vault: VaultServer) -> None:
    for value in (FIRST, SECOND, THIRD):
        vault.part.write("apps/backend", {"JWT_SECRET": value, "LINE": f"{FIRST}\n", "BLANK": " ", "NUMBER": 7})


def test_a_secret_with_versions_and_which_one_is_in_use(vault: VaultServer) -> None:
    three(vault)
    before = (vault.part.directory / "state.json").read_bytes()
    asked = {"key": "JWT_SECRET", "fingerprints": [fingerprint(SECOND), fingerprint("another").upper()]}
    for check_mode in (False, True):
        found = run(vault.options(**asked), check_mode=check_mode)
        assert (found["reachable"], found["cause"], found["state"]) == (True, None, "present")
        assert (found["kv_version"], found["version"], found["current_version"]) == (2, 3, 3)
        assert found["keys_total"] == 4
        assert found["keys"]["JWT_SECRET"] == {
            "exists": True,
            "length": len(THIRD.encode()),
            "empty": False,
            "trailing_whitespace": False,
            "fingerprint": fingerprint(THIRD),
            "text": True,
        }
        assert found["keys"]["LINE"]["trailing_whitespace"]
        assert found["keys"]["BLANK"]["empty"]
        assert (found["keys"]["NUMBER"]["exists"], found["keys"]["NUMBER"]["text"]) == (True, False)
        assert found["matches"] == {fingerprint(SECOND): [2], fingerprint("another"): []}
        assert [each["fingerprint"] for each in found["versions"]] == [*map(fingerprint, (THIRD, SECOND, FIRST))]
        assert found["unexamined"] == []
        assert (found["server"]["role"], found["server"]["sealed"]) == ("active", False)
    assert (vault.part.directory / "state.json").read_bytes() == before
    assert {each["method"] for each in vault.requests()} == {"POST", "GET"}
    assert len([each for each in vault.requests() if each["method"] == "POST"]) == 3, "ours, of the test"
    pinned = run(vault.options(vault_version=1, keys=["JWT_SECRET", "NONE"]))
    assert (pinned["version"], pinned["current_version"]) == (1, 3)
    assert pinned["keys"]["JWT_SECRET"]["fingerprint"] == fingerprint(FIRST)
    assert pinned["keys"]["NONE"]["exists"] is False


def test_no_more_versions_than_are_asked_for(vault: VaultServer) -> None:
    for number in range(12):  # Vault keeps ten
        vault.part.write("apps/backend", {"JWT_SECRET": f"{FIRST}{number}"})
    found = run(vault.options(key="JWT_SECRET", fingerprints=[fingerprint(f"{FIRST}9")], history=3))
    assert [each["version"] for each in found["versions"]] == list(range(12, 2, -1))
    assert found["matches"] == {fingerprint(f"{FIRST}9"): [10]}
    assert (found["unexamined"], found["versions_truncated"]) == (list(range(9, 2, -1)), False)
    assert len([each for each in vault.requests() if "/data/" in each["path"] and each["method"] == "GET"]) == 3
    unlisted = run(vault.options(key="JWT_SECRET", history=20, vault_token=vault.part.keys.data_token))
    assert [each["version"] for each in unlisted["versions"]] == list(range(12, 2, -1)), "two are kept no more"


def test_deleted_destroyed_and_absent_are_told_apart(vault: VaultServer) -> None:
    three(vault)
    vault.part.delete_versions("apps/backend", [3])
    vault.part.delete_versions("apps/backend", [2], destroy=True)
    newest = run(vault.options(key="JWT_SECRET", fingerprints=[fingerprint(FIRST), fingerprint(THIRD)]))
    assert (newest["state"], newest["version"], newest["cause"], newest["keys"]) == ("deleted", 3, None, {})
    assert newest["deleted_at"]
    assert "undelete" in newest["hint"]
    assert [each["state"] for each in newest["versions"]] == ["deleted", "destroyed", "present"]
    assert newest["matches"] == {fingerprint(FIRST): [1], fingerprint(THIRD): []}
    assert newest["unexamined"] == [3, 2], "a version that is gone may have been the one"
    assert run(vault.options(vault_version=2))["state"] == "destroyed"
    for given in ({"vault_version": 9}, {"vault_path": "apps/nothing"}):
        absent = run(vault.options(**given))
        assert (absent["state"], absent["cause"], absent["version"], absent["kv_version"]) == ("absent", None, None, 2)
    assert "leave data/ out" in run(vault.options(vault_path="data/apps/backend"))["hint"]
    nowhere = run(vault.options(vault_mount="nowhere", vault_token=vault.part.keys.root_token))
    assert (nowhere["state"], nowhere["cause"], nowhere["reachable"]) == ("no_mount", "no_mount", True)
    vault.part.undelete_versions("apps/backend", [3])
    assert run(vault.options())["state"] == "present"


def test_an_engine_without_versions(vault: VaultServer) -> None:
    vault.part.write("apps/backend", {"JWT_SECRET": SECOND}, mount="kv")
    for engine in (None, 1):
        found = run(
            vault.options(
                vault_mount="kv", vault_kv_version=engine, key="JWT_SECRET", fingerprints=[fingerprint(SECOND)]
            )
        )
        assert (found["state"], found["kv_version"], found["version"]) == ("present", 1, None)
        assert found["matches"] == {fingerprint(SECOND): [0]}
    assert run(vault.options(vault_mount="kv", vault_path="apps/nothing"))["state"] == "absent"
    pinned = run(vault.options(vault_mount="kv", vault_version=1))
    assert (pinned["state"], pinned["cause"], pinned["kv_version"]) == ("unknown", "no_versions", 1)


def test_tokens_with_fewer_rights(vault: VaultServer) -> None:
    three(vault)
    keys, asked = vault.part.keys, {"key": "JWT_SECRET", "fingerprints": [fingerprint(FIRST)]}
    fewer = run(vault.options(vault_token=keys.data_token, **asked))
    assert (fewer["state"], fewer["current_version"], fewer["matches"]) == ("present", 3, {fingerprint(FIRST): [1]})
    assert fewer["versions_unlisted"]["cause"] == "not_permitted"
    bounded = run(vault.options(vault_token=keys.data_token, **asked, history=1))
    assert (bounded["matches"], bounded["unexamined"]) == ({fingerprint(FIRST): []}, [2, 1])
    for token, cause in ((keys.stranger_token, "not_permitted"), ("hvs.nobody-s-token", "invalid_auth")):
        refused = run(vault.options(vault_token=token))
        assert (refused["reachable"], refused["state"], refused["cause"]) == (True, "unknown", cause)
        assert "vault_token" in refused["hint"]
    other = run(vault.options(vault_namespace="platform"))
    assert (other["state"], other["kv_version"]) == ("absent", 2)


def test_the_engine_is_found_out_without_the_right_to_ask(vault: VaultServer, monkeypatch: Any) -> None:
    """Older servers and strict policies refuse ``sys/internal/ui/mounts``; the answers on the path say it too."""
    monkeypatch.setattr(
        "ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault_kv._MOUNTS",
        ("nowhere", "to", "ask"),
    )
    three(vault)
    vault.part.write("apps/backend", {"JWT_SECRET": SECOND}, mount="kv")
    assert (run(vault.options())["state"], run(vault.options())["kv_version"]) == ("present", 2)
    plain = run(vault.options(vault_mount="kv"))
    assert (plain["state"], plain["kv_version"]) == ("present", 1)
    absent = run(vault.options(vault_path="apps/nothing"))
    assert (absent["state"], absent["kv_version"]) == ("absent", 2)
    unsaid = run(vault.options(vault_mount="kv", vault_path="apps/nothing"))
    assert (unsaid["state"], unsaid["kv_version"], unsaid["cause"]) == ("absent", None, None)


@pytest.mark.parametrize(
    ("fault", "cause", "reachable"),
    [
        ("sealed", "sealed", True),
        ("not-initialized", "not_initialized", True),
        ("standby-leaderless", "standby", True),
        ("dr-secondary", "dr_secondary", True),
        ("rate-limited", "throttled", True),
        ("down", "server_error", False),
        ("timeout", "timeout", False),
    ],
)
def test_a_sick_vault_is_a_result_and_never_says_absent(
    vault: VaultServer, fault: str, cause: str, reachable: bool
) -> None:
    three(vault)
    with vault.broken(fault):
        found = run(vault.options(vault_request_timeout=1))
    assert (found["state"], found["cause"], found["reachable"]) == ("unknown", cause, reachable)
    assert found["message"]
    assert found["hint"]
    assert not found.get("failed")
    assert found["server"]["sealed"] is {"sealed": True, "not-initialized": True, "down": None, "timeout": None}.get(
        fault, False
    )


@pytest.mark.parametrize(("fault", "role"), [("standby", "standby"), ("performance-standby", "performance_standby")])
def test_a_standby_that_forwards_is_as_good(vault: VaultServer, fault: str, role: str) -> None:
    three(vault)
    with vault.broken(fault):
        found = run(vault.options())
    assert (found["state"], found["cause"], found["server"]["role"]) == ("present", None, role)


def test_nobody_there_and_nothing_given(vault: VaultServer) -> None:
    assert run(vault.options(vault_addr="http://127.0.0.1:1"))["cause"] == "refused"
    for option in ("vault_addr", "vault_token"):
        found = run(vault.options(**{option: ""}))
        assert (found["cause"], found["state"], found["requests"]) == ("not_configured", "unknown", 0)
        assert option in found["message"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"vault_addr": "http://vault.example.com"}, "vault_addr must begin with https://"),
        ({"vault_path": "../../sys/raw"}, "vault_path must be names"),
        ({"vault_path": ""}, "vault_path must be names"),
        ({"vault_version": 0}, "vault_version must be 1 or more"),
        ({"history": 21}, "history must be 0 to 20"),
        ({"key": "JWT_SECRET", "fingerprints": [FIRST]}, "fingerprints must hold fingerprints"),
        ({"fingerprints": [fingerprint(FIRST)]}, "fingerprints needs key"),
        ({"vault_ca_cert": "/nonexistent"}, "vault_ca_cert is no file"),
        ({"vault_request_timeout": 0}, "vault_request_timeout must be 1 second or more"),
    ],
)
def test_wrong_options_fail_with_one_clear_error(vault: VaultServer, given: dict[str, Any], words: str) -> None:
    failed = run(vault.options(**given))
    assert failed["failed"]
    assert words in failed["msg"]
    assert vault.requests() == []

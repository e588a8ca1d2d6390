# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vault's answers mean: every shape of "not there", every refusal, and no text with a value."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Answer
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault import Reply, Vault, read_answer
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault_errors import of_state
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault_kv import MOST_VERSIONS, Wanted, read
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import vault
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_facts import fingerprint
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_key import read_fingerprints
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.vault import Version
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

VALUE = "c4n4ry-välue"
NOW = dt.datetime(2026, 11, 24, 15, tzinfo=dt.UTC)


def answer(status: int, body: Any, **headers: str) -> Answer:
    kind = {"content-type": "application/json"}
    return Answer(status, kind | headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def versioned(**metadata: Any) -> dict[str, Any]:
    facts = {"created_time": "2026-11-24T10:00:00.1Z", "deletion_time": "", "destroyed": False, "version": 3}
    return {"data": {"data": metadata.pop("values", None), "metadata": facts | metadata}}


@pytest.mark.parametrize(
    ("status", "body", "cause", "answered"),
    [
        (503, {"errors": ["Vault is sealed"]}, "sealed", True),
        (500, {"errors": ["local node not active but active cluster node not found"]}, "standby", True),
        (307, b"", "standby", False),
        (400, {"errors": ["path disabled in replication DR secondary mode"]}, "dr_secondary", True),
        (404, {"errors": ['no handler for route "a/b". route entry not found.']}, "no_mount", True),
        (403, {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}, "invalid_auth", True),
        (400, {"errors": ["missing client token"]}, "invalid_auth", True),
        (403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}, "not_permitted", True),
        (429, {"errors": ['request path "a": rate limit quota exceeded']}, "throttled", True),
        (502, b"<html>bad gateway</html>", "server_error", False),
        (404, b"<html>not found</html>", "no_answer", False),
        (200, b"<html>log in</html>", "no_answer", False),
        (200, {"ok": True}, "no_answer", False),
    ],
)
def test_refusals(status: int, body: Any, cause: str, answered: bool) -> None:
    reply = read_answer(answer(status, body))
    assert reply.failure is not None
    assert (reply.failure.cause, reply.answered, reply.content) == (cause, answered, None)
    assert reply.failure.next_step
    assert not reply.nothing


def test_the_shapes_of_not_found() -> None:
    nothing = read_answer(answer(404, {"errors": []}))
    assert (nothing.nothing, nothing.failure) == (True, None)
    gone = read_answer(answer(404, versioned(deletion_time="2026-11-24T11:00:00Z")))
    assert gone.content is not None
    assert vault.version_2(gone.content).state == "deleted"
    other = read_answer(answer(404, {"data": None, "warnings": [f"{vault.NOT_VERSIONED}. See the docs"]}))
    assert vault.is_versioned_refusal(other.content)
    assert not vault.is_version_2(other.content)


@pytest.mark.parametrize(
    ("body", "cause", "role"),
    [
        ({"initialized": True, "sealed": False, "standby": False}, None, "active"),
        ({"initialized": True, "sealed": False, "standby": True}, None, "standby"),
        (
            {"initialized": True, "sealed": False, "standby": True, "performance_standby": True},
            None,
            "performance_standby",
        ),
        ({"initialized": True, "sealed": False, "replication_dr_mode": "secondary"}, "dr_secondary", "dr_secondary"),
        ({"initialized": True, "sealed": True, "standby": True}, "sealed", None),
        ({"initialized": False, "sealed": True}, "not_initialized", None),
    ],
)
def test_the_state_of_the_server(body: dict[str, Any], cause: str | None, role: str | None) -> None:
    for status in (200, 429, 472, 473, 474, 501, 503):  # each can be set to something else by the one who asks
        content = read_answer(answer(status, body), health=True).content
        assert content is not None
        failure = of_state(content)
        assert (failure and failure.cause, vault.server_facts(content)["role"]) == (cause, role)
    assert set(vault.server_facts(None).values()) == {None}


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (versioned(values={"a": VALUE}), "present"),
        (versioned(values={}), "present"),
        (versioned(values={"a": VALUE}, deletion_time="2030-01-01T00:00:00Z"), "present"),  # delete_version_after
        (versioned(deletion_time="2026-11-24T11:00:00Z"), "deleted"),
        (versioned(destroyed=True), "destroyed"),
        (versioned(destroyed=True, deletion_time="2026-11-24T11:00:00Z"), "destroyed"),
        (versioned(), "unknown"),
    ],
)
def test_the_state_of_a_version(body: dict[str, Any], state: str) -> None:
    version = vault.version_2(body)
    assert (version.state, version.number) == (state, 3)
    assert VALUE not in repr(version)


def test_listed_versions_newest_first() -> None:
    listed = {
        "2": {"created_time": "2026-11-02T00:00:00.123456789Z", "deletion_time": "", "destroyed": False},
        "10": {"created_time": "x", "deletion_time": "2026-11-24T14:59:59.123456789Z", "destroyed": False},
        "9": {"created_time": "x", "deletion_time": "2026-11-24T15:00:01Z", "destroyed": False},
        "1": {"created_time": "x", "deletion_time": "", "destroyed": True},
        "3": {"created_time": "x", "deletion_time": "soon", "destroyed": False},
        "nonsense": {},
        "4": "nonsense",
    }
    found = vault.listed_versions({"data": {"versions": listed}}, NOW)
    assert [(each.number, each.state) for each in found] == [
        (10, "deleted"),
        (9, "present"),
        (3, "unknown"),
        (2, "present"),
        (1, "destroyed"),
    ]
    assert vault.listed_versions({"data": None}, NOW) == []


def test_the_engine() -> None:
    for data, version in (
        ({"type": "kv", "options": {"version": "2"}}, 2),
        ({"type": "kv", "options": {"version": "1"}}, 1),
        ({"type": "kv", "options": None}, 1),
        ({"type": "generic", "options": None}, 1),
        ({"type": "pki", "options": None}, None),
        (None, None),
    ):
        assert vault.engine_version({"data": data}) == version


def test_keys_and_matches_say_nothing_of_a_value() -> None:
    values = {"a": VALUE, "line": f"{VALUE}\n", "number": 7, "nested": {"x": VALUE}, "half": "\ud800", "none": None}
    facts = vault.keys_facts(values, [])
    assert facts["a"]["fingerprint"] == fingerprint(VALUE.encode())
    assert facts["line"]["trailing_whitespace"]
    assert [facts[name]["text"] for name in ("a", "number", "nested", "half", "none")] == [
        True,
        False,
        False,
        False,
        None,
    ]
    assert [facts[name]["exists"] for name in ("nested", "none")] == [True, False]
    assert VALUE not in json.dumps(facts, ensure_ascii=False)
    many = {f"{number:03}": VALUE for number in range(200)}
    assert len(vault.keys_facts(many, [])) == vault.MOST_KEYS
    versions = [Version("present", 3, values={"a": "x"}), Version("deleted", 2), Version("present", 1, values=values)]
    mine = fingerprint(VALUE.encode())
    assert vault.matches(versions, "a", [mine, "0" * 12]) == {mine: [1], "0" * 12: []}
    assert vault.unexamined(versions) == [2]


@pytest.mark.parametrize("path", ["", "/", "a//b", "../a", "a/./b", "a /b", "a\nb", "a" * 600])
def test_paths_that_lead_elsewhere(path: str) -> None:
    with pytest.raises(IncidentsError, match="vault_path must be names"):
        vault.read_place("secret", path)


def test_a_path_and_fingerprints() -> None:
    place = vault.read_place("/apps/secret/", "team a/backend")
    assert (place.mount, place.path, place.text) == (
        ("apps", "secret"),
        ("team a", "backend"),
        "apps/secret/team a/backend",
    )
    assert read_fingerprints("Reading", "in_use", ["9F86D081884C "]) == ("9f86d081884c",)
    with pytest.raises(IncidentsError) as caught:
        read_fingerprints("Reading", "in_use", [VALUE])
    assert VALUE not in str(caught.value)


class Boaster(Vault):
    """Says that a secret has very many versions."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def ask(self, questions: Any) -> dict[str, Reply]:
        self.asked += [path for path, _ in questions.values()]
        said = {
            "data": versioned(values={"a": VALUE}, version=999_999_999),
            "metadata": {"errors": ["permission denied"]},
        }
        return {
            name: read_answer(answer(403 if name == "metadata" else 200, said.get(name, said["data"])))
            for name in questions
        }


def test_a_vault_that_boasts_is_bounded() -> None:
    boaster = Boaster()
    found = read(boaster, Wanted(vault.read_place("secret", "a"), engine=2, history=3))
    assert (len(found.versions), found.current, found.truncated) == (MOST_VERSIONS, 999_999_999, True)
    assert len(boaster.asked) == 1 + 2 + 2

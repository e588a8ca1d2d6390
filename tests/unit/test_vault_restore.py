# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a key may be restored: what counts as a rotation, and no text with a value."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_facts import fingerprint
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.vault import Version
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.vault_restore import (
    Restore,
    is_rotation,
    objection_to,
    plan_restore,
    read_restore,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

OLD, NEW = "c4n4ry-old", "c4n4ry-new"
OLD_PRINT, NEW_PRINT = fingerprint(OLD.encode()), fingerprint(NEW.encode())
VERSION = Version("present", 3, values={"JWT": NEW, "NUMBER": 7, "LARGE": "x" * 600_000})


def restore(**given: Any) -> Restore:
    options = {
        "vault_mount": "secret",
        "vault_path": "backend",
        "vault_key": None,
        "key": "JWT",
        "create": True,
        "expected_fingerprint": None,
        "in_use": [],
        "allow_rotation": False,
        "targets": None,
        "incident": None,
    }
    return read_restore(options | given)


def secret(value: str | None, **more: Any) -> dict[str, Any]:
    data = {} if value is None else {"JWT": base64.b64encode(value.encode()).decode()}
    metadata = {"name": "auth", "namespace": "shop", "uid": "u1", "resourceVersion": "7"} | more.pop("metadata", {})
    return {"metadata": metadata, "type": "Opaque", "data": data, **more}


@pytest.mark.parametrize(
    ("now", "in_use", "rotates"),
    [
        (None, [], None),
        ("a", [], True),
        ("to", [], False),
        (None, ["to"], False),
        ("a", ["to"], False),  # the Secret was overwritten, and nobody uses it yet
        ("to", ["a"], True),
        (None, ["to", "a"], True),
    ],
)
def test_what_is_a_rotation(now: str | None, in_use: list[str], rotates: bool | None) -> None:
    assert is_rotation(now, in_use, "to") is rotates


@pytest.mark.parametrize(
    ("found", "given", "word"),
    [
        (None, {}, "in_use_unknown"),
        ("", {}, "in_use_unknown"),
        (" \n", {}, "in_use_unknown"),
        (OLD, {}, "rotation"),
        (None, {"in_use": [OLD_PRINT]}, "rotation"),
        (None, {"in_use": [NEW_PRINT]}, None),
        (OLD, {"in_use": [NEW_PRINT]}, None),
        (OLD, {"allow_rotation": True}, None),
        (None, {"allow_rotation": True}, None),
        (NEW, {}, "no_change"),
        (None, {"in_use": [NEW_PRINT], "expected_fingerprint": OLD_PRINT}, "value_differs"),
        (None, {"in_use": [NEW_PRINT], "targets": []}, "plan_changed"),
    ],
)
def test_plans(found: str | None, given: dict[str, Any], word: str | None) -> None:
    plan = plan_restore(secret(found), restore(**given), VERSION)
    assert plan.word == word
    assert (plan.patch is not None) == (plan.status == "planned") == (word is None)
    for value in (OLD, NEW):
        for text in (value, base64.b64encode(value.encode()).decode()):
            assert text not in repr(plan)
            assert text not in json.dumps([plan.reason, plan.caveats, plan.targets])


def test_a_restart_after_nothing_to_do_may_be_the_rotation() -> None:
    for in_use, warned in (([OLD_PRINT], True), ([NEW_PRINT, OLD_PRINT], True), ([NEW_PRINT], False), ([], False)):
        plan = plan_restore(secret(NEW), restore(in_use=in_use), VERSION)
        assert (plan.status, plan.word, plan.patch) == ("nothing_to_do", "no_change", None)
        assert any("rotation" in caveat for caveat in plan.caveats) is warned


def test_the_approved_plan_is_for_one_version_and_one_kind() -> None:
    mine = restore(in_use=[NEW_PRINT])
    (target,) = plan_restore(secret(None), mine, VERSION).targets
    assert (target["vault_version"], target["rotation"], target["from"], target["to"]) == (3, False, None, NEW_PRINT)
    assert plan_restore(secret(None), restore(in_use=[NEW_PRINT], targets=[target]), VERSION).status == "planned"
    for change in ({"vault_version": 2}, {"rotation": True}, {"vault_path": "secret/other"}, {"uid": "u2"}):
        approved = restore(in_use=[NEW_PRINT], targets=[target | change])
        assert plan_restore(secret(None), approved, VERSION).word == "plan_changed"


@pytest.mark.parametrize(
    ("version", "key", "word"),
    [
        (Version("absent"), "JWT", "not_in_vault"),
        (Version("deleted", 3), "JWT", "version_deleted"),
        (Version("destroyed", 3), "JWT", "version_destroyed"),
        (VERSION, "NONE", "key_not_in_vault"),
        (VERSION, "NUMBER", "not_text"),
        (VERSION, "LARGE", "value_too_large"),
        (VERSION, "JWT", None),
    ],
)
def test_what_speaks_against_what_vault_has(version: Version, key: str, word: str | None) -> None:
    found = objection_to(restore(vault_key=key), version)
    assert (found and found[0]) == word
    assert (plan_restore(secret(OLD), restore(vault_key=key), version).word == word) is (word is not None)


@pytest.mark.parametrize(
    ("metadata", "way"),
    [
        ({"ownerReferences": [{"kind": "ExternalSecret", "name": "auth"}]}, "force-sync"),
        ({"ownerReferences": [{"kind": "SealedSecret", "name": "auth"}]}, "SealedSecret"),
        ({"labels": {"secrets.hashicorp.com/vso-ownerRefUID": "u"}}, "Vault Secrets Operator reconcile"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "at its source"),
    ],
)
def test_a_managed_secret_is_changed_where_it_is_kept(metadata: dict[str, Any], way: str) -> None:
    plan = plan_restore(secret(OLD, metadata=metadata), restore(allow_rotation=True), VERSION)
    assert plan.word == "managed"
    assert way in plan.reason


def test_options_that_make_no_sense() -> None:
    for given in ({"key": "a/b"}, {"in_use": [NEW]}, {"expected_fingerprint": NEW}, {"vault_path": "../sys"}):
        with pytest.raises(IncidentsError) as caught:
            restore(**given)
        assert NEW not in str(caught.value)

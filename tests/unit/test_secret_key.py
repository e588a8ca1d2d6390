# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one key of a Secret may be set: every refusal, and no text with a value."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_facts import fingerprint
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_key import (
    Wish,
    kept_by,
    make_plan,
    read_wish,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

OLD, NEW = b"c4n4ry-old-value", b"c4n4ry-new-value"
WISH = Wish("KEY", NEW)


def secret(metadata: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    head = {"name": "keys", "namespace": "shop", "uid": "u1", "resourceVersion": "7", **(metadata or {})}
    return {"metadata": head, "type": "Opaque", "data": {"KEY": base64.b64encode(OLD).decode(), "EMPTY": ""}, **more}


def wish(**changes: Any) -> Wish:
    return dataclasses.replace(WISH, **changes)


def test_the_plan_names_the_key_and_both_fingerprints() -> None:
    plan = make_plan(secret(), wish(incident="i1"))
    assert (plan.status, plan.word) == ("planned", None)
    assert plan.targets == (
        {
            "secret_name": "keys",
            "namespace": "shop",
            "uid": "u1",
            "key": "KEY",
            "from": fingerprint(OLD),
            "to": fingerprint(NEW),
        },
    )
    assert plan.patch is not None
    assert plan.patch["metadata"]["resourceVersion"] == "7"
    assert plan.patch["metadata"]["annotations"] == {"incidents.brandconnect/last-action": "i1/set_key"}
    assert base64.b64decode(plan.patch["data"]["KEY"]) == NEW
    assert set(plan.patch["data"]) == {"KEY"}
    for value in (OLD, NEW):
        for text in (value.decode(), base64.b64encode(value).decode()):
            assert text not in repr(plan)
    assert make_plan(secret(), wish(targets=plan.targets)).status == "planned"


REFUSED = {
    "empty_value": (secret(), wish(value=b" \n")),
    "value_malformed": (secret(), wish(value=NEW + b"\n", expected=fingerprint(NEW + b"\n"))),
    "value_differs": (secret(), wish(expected="000000000000")),
    "being_deleted": (secret({"deletionTimestamp": "2026-11-24T15:00:00Z"}), WISH),
    "immutable": (secret(immutable=True), WISH),
    "unsupported": (secret(type="kubernetes.io/service-account-token"), WISH),
    "managed": (secret({"labels": {"app.kubernetes.io/managed-by": "Helm"}}), WISH),
    "evidence_hold": (secret({"annotations": {"incidents.brandconnect/evidence-hold": "i2"}}), wish(incident="i1")),
    "unknown_key": (secret(), wish(key="KEYS")),
    "plan_changed": (secret(), wish(targets=[{"secret_name": "keys", "key": "KEY", "from": "x", "to": "y"}])),
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_is_refused(word: str) -> None:
    plan = make_plan(*REFUSED[word])
    assert (plan.status, plan.word, plan.patch) == ("refused", word, None)
    assert plan.reason
    assert "c4n4ry" not in repr(plan)


@pytest.mark.parametrize(
    ("metadata", "tool"),
    [
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "Flux"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm"),
        ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, "External Secrets"),
        ({"annotations": {"reconcile.external-secrets.io/data-hash": "1"}}, "External Secrets"),
        ({"ownerReferences": [{"kind": "ExternalSecret", "name": "keys"}]}, "ExternalSecret"),
        ({"ownerReferences": [{"kind": "SealedSecret", "name": "keys"}]}, "SealedSecret"),
        ({"labels": {"secrets.hashicorp.com/vso-ownerRefUID": "1"}}, "Vault Secrets Operator"),
        ({"annotations": {"cert-manager.io/certificate-name": "shop"}}, "cert-manager"),
        ({"managedFields": [{"manager": "argocd-controller"}]}, "Argo CD"),
        ({"managedFields": [{"manager": "kubectl-edit"}], "labels": {"app": "keys"}}, None),
        ({}, None),
    ],
)
def test_who_would_undo_it(metadata: dict[str, Any], tool: str | None) -> None:
    keeper = kept_by(metadata)
    assert (keeper or {}).get("tool") == tool
    assert make_plan(secret(metadata), WISH).word == ("managed" if tool else None)


def test_the_same_value_is_nothing_to_do_whatever_was_approved() -> None:
    plan = make_plan(secret(), wish(value=OLD, targets=[{"from": "x"}]))
    assert (plan.status, plan.word, plan.targets) == ("nothing_to_do", "no_change", ())


def test_a_key_can_be_added_where_that_is_allowed() -> None:
    plan = make_plan(secret(), wish(key="MORE", create=True))
    assert (plan.status, plan.targets[0]["from"]) == ("planned", None)
    assert make_plan({**secret(), "data": None}, wish(create=True)).status == "planned"
    assert make_plan(secret(), wish(key="EMPTY")).targets[0]["from"] is None


def test_what_a_person_should_know() -> None:
    assert len(make_plan(secret(), WISH).caveats) == 1


@pytest.mark.parametrize("value", [NEW + b"\n", NEW + b"\r\n", b" " + NEW, b"\t" + NEW + b" ", NEW + "\u00a0".encode()])
def test_white_space_around_a_value_is_never_written(value: bytes) -> None:
    """Who checks a key trims it first, and whoever uses it does not."""
    plan = make_plan(secret(), wish(value=value))
    assert (plan.status, plan.word, plan.patch, plan.targets) == ("refused", "value_malformed", None, ())
    assert "white space" in plan.reason
    assert make_plan(secret(), wish(value=b"one two\nthree")).status == "planned"


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "a/b"},
        {"key": ""},
        {"key": "é"},
        {"value": "x" * 600_000},
        {"value": "c4n4ry\udcff"},  # what Python makes of a byte that is no UTF-8, as in an environment variable
        {"expected_fingerprint": "c4n4ry-old-value"},
    ],
)
def test_options_that_make_no_sense(changes: dict[str, Any]) -> None:
    given = {"key": "KEY", "create": False, "expected_fingerprint": "", "targets": None, "incident": ""}
    value = changes.pop("value", "c4n4ry")
    with pytest.raises(IncidentsError) as raised:
        read_wish(given | changes, value)
    assert "c4n4ry" not in json.dumps(raised.value.message)
    assert read_wish(given, "c4n4ry") == Wish("KEY", b"c4n4ry")


@pytest.mark.parametrize("data", [{"KEY": 7}, {"KEY": None}, {"KEY": ["x"]}, {"KEY": "é"}, ["KEY"], {}])
def test_data_that_no_api_server_gives_is_no_crash(data: Any) -> None:
    plan = make_plan(secret(data=data), wish(create=True))
    assert plan.status == "planned"
    assert plan.targets[0]["from"] is None

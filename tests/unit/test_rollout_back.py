# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back with a rollout: variables that are removed or referred to, and the strategy of a rollout's own time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.test_rollout_plan import MARK, NOW, ROLLING, plan, template, workload, world

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.restoring import replacing_patch
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    PREVIOUS_STRATEGY,
    Revision,
    Wish,
    describe,
    fingerprint,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_plan import make_plan
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import NO_SURGE

HOST = {"configMapKeyRef": {"name": "settings", "key": "host"}}
SECRET = {"secretKeyRef": {"name": "settings", "key": "pool"}}
PUT_BACK = {"$patch": "replace", **ROLLING}


def env_patch(wish: Wish) -> Any:
    made = plan(wish)
    assert made.status == "planned", made.reason
    (container,) = made.patch["spec"]["template"]["spec"]["containers"]
    return container["env"]


def test_a_variable_is_removed() -> None:
    wish = Wish("set_env", env={"TYPEORM_POOL_MAX": None})
    assert env_patch(wish) == [{"name": "TYPEORM_POOL_MAX", "$patch": "delete"}]
    made = plan(wish)
    assert (made.targets[0]["changes"][0]["old"], made.targets[0]["changes"][0]["new"]) == ("100", None)
    assert "from 100 to not set" in made.reason
    assert not any("is not set on" in caveat for caveat in made.caveats)
    assert plan(Wish("set_env", env={"NEW": None})).word == "no_change"


def test_variables_keep_their_order() -> None:
    item = workload()
    item["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "A", "value": "$(HOST)"})
    made = plan(Wish("set_env", env={"A": "1", "TYPEORM_POOL_MAX": "2", "NEW": "3"}), world(item))
    (container,) = made.patch["spec"]["template"]["spec"]["containers"]
    assert [entry["name"] for entry in container["env"]] == ["TYPEORM_POOL_MAX", "A", "NEW"]


def test_empty_is_not_absent() -> None:
    assert "from not set to empty" in plan(Wish("set_env", env={"NEW": ""})).reason
    assert env_patch(Wish("set_env", env={"NEW": ""})) == [{"name": "NEW"}]
    emptied = env_patch(Wish("set_env", env={"TYPEORM_POOL_MAX": ""}))
    assert emptied == [{"name": "TYPEORM_POOL_MAX", "value": None}], "as the API server writes it"
    item = workload()
    item["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "EMPTY"}]
    assert plan(Wish("set_env", env={"EMPTY": ""}), world(item)).word == "no_change"
    assert plan(Wish("set_env", env={"EMPTY": None}), world(item)).status == "planned"


def test_a_reference_takes_the_place_of_a_value_and_the_other_way_round() -> None:
    wish = Wish("set_env", env_from={"TYPEORM_POOL_MAX": SECRET})
    assert env_patch(wish) == [{"name": "TYPEORM_POOL_MAX", "value": None, "valueFrom": SECRET}]
    assert "from 100 to Secret settings, key pool" in plan(wish).reason
    known = {"env_fingerprints": {"HOST": fingerprint(HOST)}}
    back = Wish("set_env", env={"HOST": "db"}, expected=known)
    assert env_patch(back) == [{"name": "HOST", "valueFrom": None, "value": "db"}]
    other = Wish("set_env", env_from={"HOST": SECRET}, expected=known)
    assert env_patch(other) == [{"name": "HOST", "valueFrom": {"configMapKeyRef": None, **SECRET}}]
    assert plan(Wish("set_env", env_from={"HOST": HOST}, expected=known)).word == "no_change"


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        (Wish("set_env", env={"HOST": None}), "value_from"),
        (Wish("set_env", env_from={"HOST": SECRET}), "value_from"),
        (Wish("set_env", env_from={"A=B": SECRET}), "invalid_name"),
        (Wish("set_env", env={"X": "1"}, expected={"uid": "u2"}), "expected_differs"),
        (
            Wish("set_env", env={"TYPEORM_POOL_MAX": "1"}, expected={"env_fingerprints": {"TYPEORM_POOL_MAX": None}}),
            "expected_differs",
        ),
        (
            Wish("set_env", env={"TYPEORM_POOL_MAX": "1"}, expected={"env_fingerprints": {"HOST": "0" * 12}}),
            "expected_differs",
        ),
        (Wish("scale", replicas=3), "scale_down"),
    ],
)
def test_refusals(wish: Wish, word: str) -> None:
    assert plan(wish).word == word


def test_a_secret_may_be_referred_to_or_removed_but_not_written() -> None:
    assert plan(Wish("set_env", env_from={"DB_PASSWORD": SECRET})).status == "planned"
    item = workload()
    item["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "DB_PASSWORD", "value": "hunter2"})
    made = plan(Wish("set_env", env={"DB_PASSWORD": None}), world(item))
    assert made.status == "planned"
    assert "hunter2" not in f"{made.targets}{made.reason}"
    assert plan(Wish("set_env", env={"DB_PASSWORD": "x"}), world(item)).word == "secret_like_name"


def test_the_refusal_names_what_is_there_now() -> None:
    expected = {"env_fingerprints": {"TYPEORM_POOL_MAX": fingerprint("4")}}
    made = plan(Wish("set_env", env={"TYPEORM_POOL_MAX": "8"}, expected=expected))
    assert made.reason == "TYPEORM_POOL_MAX of Deployment backend was changed meanwhile: it is now 100"


def test_going_back_may_lower_the_number_of_pods() -> None:
    assert plan(Wish("scale", replicas=3, lower=True)).patch["spec"] == {"replicas": 3}


def test_the_description_tells_absent_empty_masked_and_referred_apart() -> None:
    item = workload()
    item["spec"]["template"]["spec"]["containers"][0]["env"] += [
        {"name": "EMPTY"},
        {"name": "URL", "value": "postgres://app:hunter2@db/shop"},
    ]
    names = ("EMPTY", "NEW", "TYPEORM_POOL_MAX", "URL")
    state = describe(world(item), Wish("set_env", env=dict.fromkeys(names, "x"), env_from={"HOST": SECRET}))
    found = {each["name"]: each for each in state["variables"]}
    assert {name: (each["set"], each["value"], each["value_from"]) for name, each in found.items()} == {
        "EMPTY": (True, "", None),
        "HOST": (True, None, HOST),
        "NEW": (False, None, None),
        "TYPEORM_POOL_MAX": (True, "100", None),
        "URL": (True, "postgres://app:[masked]@db/shop", None),
    }
    assert found["URL"]["fingerprint"] == fingerprint("postgres://app:hunter2@db/shop")
    assert {each["container"] for each in found.values()} == {"backend"}


# the strategy of a rollout's own time


def cut_off(**spec: Any) -> dict[str, Any]:
    """A Deployment as a run leaves it that was killed before it put the strategy back."""
    item = workload(**{"strategy": NO_SURGE, **spec})
    item["metadata"]["annotations"][PREVIOUS_STRATEGY] = json.dumps(ROLLING)
    return item


def test_the_strategy_before_is_written_by_the_same_patch() -> None:
    made = plan(Wish("restart", surge="none"))
    assert json.loads(made.patch["metadata"]["annotations"][PREVIOUS_STRATEGY]) == ROLLING
    assert made.patch["spec"]["strategy"] == NO_SURGE
    undone = plan(Wish("undo", surge="none"), world(revisions=[Revision(2, template(image="backend:0"))]))
    assert json.loads(undone.patch[1]["value"][PREVIOUS_STRATEGY]) == ROLLING


@pytest.mark.parametrize(
    "wish",
    [
        Wish("restart"),
        Wish("set_env", env={"TYPEORM_POOL_MAX": "14"}),
        Wish("scale", replicas=6),
        Wish("put_back"),
    ],
)
def test_the_next_rollout_puts_back_what_one_that_was_cut_off_left(wish: Wish) -> None:
    made = plan(wish, world(cut_off()))
    assert (made.patch["spec"]["strategy"], made.patch["metadata"]["annotations"]) == (
        PUT_BACK,
        {PREVIOUS_STRATEGY: None},
    )
    assert made.put_back is None
    assert {"what": "strategy", "old": NO_SURGE, "new": ROLLING} in made.targets[0]["changes"]
    assert "put back maxSurge 25%, maxUnavailable 25%" in made.reason
    assert any("of a rollout that was cut off" in caveat for caveat in made.caveats)


def test_without_extra_pods_it_is_put_back_at_the_end() -> None:
    made = plan(Wish("restart", surge="none"), world(cut_off()))
    assert "strategy" not in made.patch["spec"]
    assert "annotations" not in made.patch["metadata"], "the mark stays until it is put back"
    assert made.put_back == ROLLING


@pytest.mark.parametrize(
    ("wish", "item"),
    [
        (Wish("set_env", env={"TYPEORM_POOL_MAX": "100"}, surge="none"), cut_off()),
        (Wish("restart", incident="i", surge="none"), cut_off(template=template(mark="i/restart"))),
        (Wish("undo", incident="i"), cut_off(template=template(mark="i/undo"))),
    ],
)
def test_where_nothing_else_is_left_to_do_only_the_strategy_is_patched(wish: Wish, item: dict[str, Any]) -> None:
    made = plan(wish, world(item))
    assert (made.status, made.patch["spec"]) == ("planned", {"strategy": PUT_BACK}), "no pod may be replaced"
    assert made.patch["metadata"]["annotations"].get(MARK) in {None, "i/put_back"}


def test_an_undo_puts_it_back_too() -> None:
    seen = world(cut_off(), revisions=[Revision(2, template(image="backend:0"))])
    made = make_plan(seen, Wish("undo"), NOW)
    assert PREVIOUS_STRATEGY not in made.patch[1]["value"]
    assert made.patch[-1] == {"op": "add", "path": "/spec/strategy", "value": ROLLING}


@pytest.mark.parametrize(
    "item",
    [
        cut_off(strategy={"type": "Recreate"}),
        cut_off(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
    ],
)
def test_a_strategy_that_somebody_set_since_is_left_alone(item: dict[str, Any]) -> None:
    made = plan(Wish("restart"), world(item))
    assert "strategy" not in made.patch["spec"]
    assert made.patch["metadata"]["annotations"] == {PREVIOUS_STRATEGY: None}, "the mark means nothing any more"
    assert plan(Wish("put_back"), world(item)).status == "nothing_to_do"


@pytest.mark.parametrize("text", ["", "no json", "5", "[]"])
def test_a_mark_that_cannot_be_read_is_not_obeyed(text: str) -> None:
    item = cut_off()
    item["metadata"]["annotations"][PREVIOUS_STRATEGY] = text
    assert plan(Wish("put_back"), world(item)).status == "nothing_to_do"
    assert plan(Wish("restart"), world(item)).status == "planned"


def test_nothing_to_put_back() -> None:
    assert plan(Wish("put_back")).status == "nothing_to_do"
    assert plan(Wish("put_back"), world(workload("DaemonSet"))).status == "nothing_to_do"


# whole objects


def test_an_earlier_content_replaces_all_of_the_present_one() -> None:
    current = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "pool",
            "resourceVersion": "7",
            "labels": {"new": "1"},
            "annotations": {"deployment.kubernetes.io/revision": "3", "theirs": "x"},
        },
        "data": {"size": "2"},
        "binaryData": {"a": "eA=="},
        "status": {},
    }
    previous = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pool"}, "data": {"size": "1"}}
    assert replacing_patch(current, previous) == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "remove", "path": "/metadata/labels"},
        {"op": "add", "path": "/metadata/annotations", "value": {"deployment.kubernetes.io/revision": "3"}},
        {"op": "remove", "path": "/binaryData"},
        {"op": "add", "path": "/data", "value": {"size": "1"}},
    ]

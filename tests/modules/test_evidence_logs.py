# SPDX-License-Identifier: GPL-3.0-or-later
"""evidence_snapshot and logs: whose they are, what is cut off, and names that no file may have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from modules.evidence_support import INCIDENT, data, directory, is_sound, take
from modules.k8s_support import APPS, CORE, Api, Asked, Reply, api, pod

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_precondition import look

__all__ = ["api", "directory"]

LINE = b"2026-11-24T15:00:00Z line\n"


def serve(api: Api, *pods: dict[str, Any]) -> None:
    """Let the server have pods, each with a log, and nothing else."""
    api.answers |= {f"{CORE}/{kind}": {"items": []} for kind in ("events", "services", "secrets")}
    kinds = ("deployments", "replicasets", "statefulsets", "daemonsets")
    api.answers |= {f"{APPS}/{kind}": {"items": []} for kind in kinds}
    api.answers[f"{CORE}/pods"] = {"items": list(pods)}
    for one in pods:
        api.answers[f"{CORE}/pods/{one['metadata']['name']}/log"] = Reply(body=LINE)


def living(name: str, container_id: str | None = "containerd://one", restarts: int = 0) -> dict[str, Any]:
    """A pod with a container that has an id."""
    found = pod(name, restarts=restarts)
    found["status"]["containerStatuses"][0]["containerID"] = container_id
    return found


def logs(result: dict[str, Any]) -> dict[str, bytes]:
    folder = data(result) / "pods"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def becoming(first: dict[str, Any], then: dict[str, Any] | None) -> Any:
    """The list of pods, where one is another one when it is looked at again."""
    return lambda asked: {"items": [first] if "fieldSelector" not in asked.query else [then] if then else []}


def test_a_pod_with_the_name_of_half_a_file_stops_nothing(api: Api, directory: Path) -> None:
    names = ("a.partial", "a.part", "a.partial.b", "b" * 253)
    serve(api, *(pod(name) for name in names))
    result = take(directory, ["kubernetes"], **api.options())
    assert (result["status"], result["missing"]) == ("done", [])
    assert len(logs(result)) == len(names)
    is_sound(result)


def test_the_same_name_but_for_capital_letters_is_said(api: Api, directory: Path) -> None:
    queries = {"up": "up", "UP": "up"}
    for path, kind in (("query", "scalar"), ("query_range", "matrix")):
        found: list[Any] = [1, "1"] if kind == "scalar" else []
        answer = {"status": "success", "data": {"resultType": kind, "result": found}}
        api.answers[f"/api/v1/{path}"] = answer
    options = {"prometheus_url": api.url, "prometheus": {"queries": queries, "step_s": 86400}}
    result = take(directory, ["prometheus"], **options)
    (missing,) = result["missing"]
    assert missing["path"].startswith("prom/refused-")
    assert "capital letters" in missing["error"]
    assert (data(result) / "prom/up.json").exists()
    is_sound(result)


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (living("a", "containerd://two", restarts=1), "started again"),
        (living("a", "containerd://two"), "another container"),
        ({**living("a"), "metadata": {"name": "a", "uid": "uid-of-another"}}, "another pod"),
        (None, "was gone"),
    ],
)
def test_a_log_of_another_life_is_no_whole_one(api: Api, directory: Path, then: Any, said: str) -> None:
    serve(api, living("a"))
    api.answers[f"{CORE}/pods"] = becoming(living("a"), then)
    last = Reply(body=b"last words\n")
    api.answers[f"{CORE}/pods/a/log"] = lambda asked: last if "previous" in asked.query else Reply(body=LINE)
    result = take(directory, ["kubernetes"], **api.options())
    (missing,) = result["missing"]
    assert missing["path"] == "pods/a_uid-a/backend.log"
    assert said in missing["error"]
    again = {"a_uid-a/backend.previous-1.log": b"last words\n"} if "again" in said else {}
    again |= {"a_uid-a/backend.previous-0.log": b"last words\n"} if "another container" in said else {}
    assert logs(result) == {"a_uid-a/backend.log.partial": LINE, **again}
    is_sound(result)


def test_a_container_that_starts_meanwhile_is_the_same_one(api: Api, directory: Path) -> None:
    serve(api, living("a"))
    api.answers[f"{CORE}/pods"] = becoming(living("a", None), living("a"))
    assert take(directory, ["kubernetes"], **api.options())["status"] == "done"


def test_a_previous_log_that_is_gone_is_missing(api: Api, directory: Path) -> None:
    serve(api, living("a", restarts=3))
    status = {"kind": "Status", "status": "Failure", "code": 400, "reason": "BadRequest"}
    text = 'previous terminated container "backend" in pod "a" not found'
    gone = Reply(400, {**status, "message": text})
    api.answers[f"{CORE}/pods/a/log"] = lambda asked: gone if "previous" in asked.query else Reply(body=LINE)
    result = take(directory, ["kubernetes"], **api.options())
    (missing,) = result["missing"]
    assert (missing["path"], text in missing["error"]) == ("pods/a_uid-a/backend.previous.log", True)


def test_logs_that_max_bytes_cuts_to_nothing_are_not_whole(api: Api, directory: Path) -> None:
    serve(api, *(pod(f"p{number}") for number in range(8)))

    def long(asked: Asked) -> Reply:
        return Reply(body=b"x" * 100_000)

    api.answers |= {f"{CORE}/pods/p{number}/log": long for number in range(8)}
    result = take(directory, ["kubernetes"], max_bytes=200_000, **api.options())
    assert (result["status"], result["partial"]) == ("partial", True)
    assert len(result["missing"]) >= 6
    assert all("max_bytes" in item["error"] for item in result["missing"])
    assert result["bytes_total"] <= 200_000, "of all that are read at the same time"
    assert all(logs(result).values())
    is_sound(result)


def test_what_log_limit_bytes_cuts_off_takes_no_room(api: Api, directory: Path) -> None:
    serve(api, *(pod(f"p{number}") for number in range(6)))
    api.answers |= {f"{CORE}/pods/p{number}/log": Reply(body=b"x" * 60_000) for number in range(6)}
    options = {"log_limit_bytes": 1024, "max_parallel": 1}
    result = take(directory, ["kubernetes"], max_bytes=25_000, kubernetes=options, **api.options())
    assert (result["status"], len(result["truncated"])) == ("done", 6), result["missing"]


def test_who_contains_a_breach_is_told_what_was_cut_off(api: Api, directory: Path) -> None:
    serve(api, pod("a"))
    api.answers[f"{CORE}/pods/a/log"] = Reply(body=b"x" * 5000)
    result = take(directory, ["kubernetes"], kubernetes={"log_limit_bytes": 1024}, **api.options())
    assert (result["status"], result["truncated"]) == ("done", ["data/pods/a_uid-a/backend.log"])
    found = look({"incident": INCIDENT, "evidence_anchor": result["anchor"], "evidence_override": None})
    assert (found.objection, "1 files were cut off" in str(found.caveat)) == (None, True)


def test_a_finished_bundle_that_was_changed_fails_the_module(api: Api, directory: Path) -> None:
    serve(api, pod("a"))
    done = take(directory, ["kubernetes"], **api.options())
    bundle = Path(done["directory"])
    log = bundle / "data/pods/a_uid-a/backend.log"
    log.chmod(0o600)
    log.write_bytes(LINE[:-1] + b"x")
    for check_mode in (True, False):
        result = take(directory, ["kubernetes"], check_mode=check_mode, **api.options())
        assert (result["failed"], result["changed_files"]) == (True, ["data/pods/a_uid-a/backend.log"])
        assert "not what was sealed" in result["msg"]
    assert log.stat().st_mode & 0o777 == 0o600
    log.write_bytes(LINE)
    (bundle / "tagmanifest-sha256.txt").chmod(0o600)
    for more in ({"anchor_sha256": "0" * 64}, {"anchor_sha256": done["sha256"], "name": "no-such"}):
        for check_mode in (True, False):
            result = take(directory, ["kubernetes"], check_mode=check_mode, **more, **api.options())
            assert (result.get("failed"), result["changed_files"]) == (True, ["tagmanifest-sha256.txt"])
    assert not (directory / "evidence/no-such").exists()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a job of the platform did what it was asked, and whether evidence allows it to run."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_precondition import look
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import dry_run, platform_job
from support.bundles import WHO, collect, opened

SINCE = dt.datetime(2026, 11, 21, 2, 10, tzinfo=dt.UTC)
GOOD: dict[str, Any] = {"affected": 2, "everything": False, "scope": {"user-ids": [3, 4]}, "ids": [3, 4]}
TOKENS = {
    "affected": 1,
    "everything": False,
    "scope": {"actor-ids": [17], "since": "2026-11-21T02:10:00+00:00"},
    "ids": [9001],  # of the tokens
}


def read(document: Any, job: str = "reset_credentials") -> platform_job.Answer:
    return platform_job.read_answer(platform_job.KINDS[job], document, [3, 4], None)


def read_tokens(document: Any) -> platform_job.Answer:
    return platform_job.read_answer(platform_job.KINDS["revoke_tokens"], document, [17], SINCE)


def test_an_answer_that_says_what_was_asked_counts() -> None:
    assert read(GOOD) == platform_job.Answer("succeeded", None, 2)
    assert read({**GOOD, "affected": 0, "ids": []}).result == "succeeded"
    assert read_tokens(TOKENS).result == "succeeded"


@pytest.mark.parametrize(
    ("changes", "result", "why"),
    [
        ({"everything": True}, "exceeded", "narrowed at all"),
        ({"everything": None}, "exceeded", "narrowed at all"),
        ({"scope": {"user-ids": "all"}}, "exceeded", "another user-ids"),
        ({"scope": {"user-ids": [3]}}, "exceeded", "another user-ids"),
        ({"scope": None}, "exceeded", "another user-ids"),
        ({"ids": [3, 4, 5]}, "exceeded", "1 that it was not asked"),
        ({"ids": None}, "exceeded", "which ids"),
        ({"affected": 10000}, "exceeded", "changed 10000, and was given 2"),
        ({"affected": 2, "ids": []}, "unknown", "changed 2, and names 0"),
        ({"affected": 1}, "unknown", "changed 1, and names 2"),
        ({"affected": 2, "ids": [3, 3]}, "unknown", "names 1"),
        ({"affected": None}, "unknown", "how many"),
        ({"affected": True}, "unknown", "how many"),
        ({"failed": [4]}, "partial", "1 of 2"),
        ({"failed": [3, 4]}, "failed", "2 of 2"),
        ({"failed": "4"}, "unknown", "not which"),
        ({"dry_run": True}, "failed", "changed nothing"),
    ],
)
def test_an_answer_that_does_not(changes: dict[str, Any], result: str, why: str) -> None:
    answer = read({**GOOD, **changes})
    assert answer.result == result
    assert why in str(answer.reason)


@pytest.mark.parametrize("ids", [[], None, [9001, 9002]])
def test_tokens_that_are_counted_and_not_named(ids: Any) -> None:
    assert read_tokens({**TOKENS, "ids": ids}).result == "unknown"


def test_one_user_may_have_many_tokens() -> None:
    many = {**TOKENS, "affected": 3, "ids": [1, 2, 3]}
    assert read_tokens(many).result == "succeeded"


@pytest.mark.parametrize(
    ("code", "answer", "result"),
    [
        (None, None, "failed"),
        (126, None, "failed"),
        (127, None, "failed"),
        (1, None, "unknown"),
        (137, None, "unknown"),
        (137, platform_job.Answer("succeeded", None, 30), "unknown"),
        (127, platform_job.Answer("succeeded", None, 30), "unknown"),
        (1, platform_job.Answer("unknown", "why", 30), "unknown"),
        (1, platform_job.Answer("failed", "why", 0, [3, 4]), "failed"),
        (1, platform_job.Answer("failed", "why", 2, [3, 4]), "unknown"),
        (1, platform_job.Answer("partial", "why", 1, [4]), "partial"),
        (1, platform_job.Answer("exceeded", "why", 9), "exceeded"),
    ],
)
def test_a_job_that_broke_off_may_have_done_a_part(
    code: int | None, answer: platform_job.Answer | None, result: str
) -> None:
    found = platform_job.after_failure(code, "Killed", answer)
    assert (found.result, found.affected) == (result, answer.affected if answer else None)
    assert found is answer or "Killed" in str(found.reason)


@pytest.mark.parametrize("since", [None, "2026-11-21T01:10:00+00:00", "2026-11-21T02:10:00", "1hour"])
def test_another_moment_than_was_given(since: Any) -> None:
    document = {**TOKENS, "scope": {"actor-ids": [17], "since": since}}
    assert read_tokens(document).result == "exceeded"


@pytest.mark.parametrize("document", [None, [], "done", 7])
def test_no_answer_is_unknown(document: Any) -> None:
    assert read(document).result == "unknown"


def test_arguments_name_the_ids_always() -> None:
    assert platform_job.arguments(platform_job.KINDS["revoke_tokens"], [1, 2], SINCE, "i") == [
        "--actor-ids=1,2",
        "--since=2026-11-21T02:10:00.000000Z",
        "--json",
    ]
    assert platform_job.arguments(platform_job.KINDS["reset_credentials"], [1], None, "i") == [
        "--user-ids=1",
        "--incident=i",
        "--json",
    ]
    assert platform_job.batches([1, 2, 3], 2) == [[1, 2], [3]]


DRY = {**GOOD, "dry_run": True}
PARSER = "error: unknown option '--user-ids=3,4'"


def tried(document: Any, code: int | None = 0, said: str = "", *, known: bool = True) -> dry_run.Trial:
    ended = dry_run.Ended(document, code, said, known)
    return platform_job.read_trial(platform_job.KINDS["reset_credentials"], ended, [3, 4], None)


@pytest.mark.parametrize(
    ("given", "refusal", "why"),
    [
        ((DRY,), None, None),
        (({**DRY, "affected": 0, "ids": []},), None, None),
        # it knows --dry-run and not --user-ids
        (
            ({**DRY, "everything": True, "scope": {"affected-users": None}, "ids": [1, 2, 3]},),
            "scope_not_kept",
            "narrowed",
        ),
        (({**DRY, "scope": {"user-ids": [3]}},), "scope_not_kept", "another user-ids"),
        (({**DRY, "ids": [3, 4, 5]},), "scope_not_kept", "names 1 that it was not asked"),
        (({**DRY, "affected": None},), "scope_not_kept", "how many"),
        ((DRY, 1, "Killed"), "dry_run_failed", "exit code 1: Killed"),
        ((None, 1, PARSER), "no_dry_run", "unknown option"),
        ((None, 1, "Unknown argument: dry-run"), "no_dry_run", "Unknown argument"),
        ((None, 127, "sh: npm: not found"), "no_dry_run", "exit code 127"),
        ((None, None, ""), "no_dry_run", "could not be started"),
        # nothing shows that it was one
        ((GOOD,), None, "may have acted"),
        (({**DRY, "dry_run": "true"},), None, "may have acted"),
        ((None,), None, "may have acted"),
        (("done",), None, "may have acted"),
        ((None, 1, "TypeError: x is not a function"), None, "may have acted"),
        ((GOOD, 1, PARSER), None, "may have acted"),
    ],
)
def test_what_a_dry_run_shows(given: tuple[Any, ...], refusal: str | None, why: str | None) -> None:
    trial = tried(*given)
    assert (trial.refusal, trial.keeps) == (refusal, why is None)
    assert why is None or why in str(trial.reason)


def test_a_dry_run_of_which_nobody_knows_how_it_ended() -> None:
    assert tried(DRY, None, "the connection ended", known=False).refusal == "dry_run_failed"
    assert tried(None, None, "the connection ended", known=False).refusal is None
    assert "may have acted: how it ended is not known: the conn" in str(
        tried(None, None, "the conn", known=False).reason
    )


def test_a_job_that_ignores_that_it_is_a_dry_run_may_have_done_everything() -> None:
    everything = {"affected": 10000, "everything": True, "scope": {}, "ids": []}
    kind, ended = platform_job.KINDS["reset_credentials"], dry_run.Ended(everything, 0)
    trial = platform_job.read_trial(kind, ended, [3, 4], None)
    answer = platform_job.doubted(trial)
    assert answer.result == "exceeded"
    assert "did not say that it was one" in str(answer.reason)
    assert "narrowed at all" in str(answer.reason)
    assert platform_job.doubted(tried(GOOD)).result == "unknown"
    assert platform_job.doubted(tried(None)).result == "unknown"


def test_the_platform_may_call_the_option_otherwise() -> None:
    kind = platform_job.kind_of("reset_credentials", "affected-users")
    assert platform_job.arguments(kind, [3], None, "i")[0] == "--affected-users=3"
    answer = {"affected": 1, "everything": False, "scope": {"affected-users": [3]}, "ids": [3]}
    assert platform_job.read_answer(kind, answer, [3], None).result == "succeeded"
    assert platform_job.kind_of("reset_credentials") is platform_job.KINDS["reset_credentials"]


@pytest.mark.parametrize(
    ("results", "status"),
    [
        (["succeeded", "succeeded"], "done"),
        (["succeeded", "failed"], "partial"),
        (["partial"], "partial"),
        (["failed", "not_attempted"], "failed"),
        (["succeeded", "unknown"], "unknown"),
        (["succeeded", "exceeded", "not_attempted"], "failed"),
    ],
)
def test_how_a_run_ends(results: list[str], status: str) -> None:
    found = [{"result": each, "affected": 1, "reason": "why"} for each in results]
    assert platform_job.conclude(found)[0] == status


def test_a_job_that_found_nothing_left() -> None:
    found = [{"result": "succeeded", "affected": 0, "reason": None}]
    assert platform_job.conclude(found)[::2] == ("nothing_to_do", "no_change")


def precondition(anchor: Any = None, override: str | None = None, incident: str = WHO["incident"]) -> Any:
    return look({"incident": incident, "evidence_anchor": anchor, "evidence_override": override})


def test_only_a_finished_bundle_of_this_incident_is_evidence(tmp_path: Path) -> None:
    root = tmp_path / "evidence"
    root.mkdir(mode=0o700)
    sealed = collect(root / "one")
    anchor = {"path": sealed.anchor["path"], "sha256": sealed.anchor["sha256"]}
    assert precondition(anchor).objection is None
    assert precondition(anchor).caveat is None
    assert "another incident" in precondition(anchor, incident="other").objection[1]
    assert "another SHA-256" in precondition({**anchor, "sha256": "0" * 64}).objection[1]
    assert precondition().objection[0] == "no_evidence"
    assert "not absolute" not in precondition(anchor).plain
    assert precondition({"path": "tagmanifest-sha256.txt", "sha256": "x"}).objection
    with opened(root / "open") as bundle:
        bundle.write("a.log", [b"x"], source="GET /a")
    unfinished = {"path": str(root / "open" / "tagmanifest-sha256.txt"), "sha256": hashlib.sha256(b"").hexdigest()}
    assert "not finished" in precondition(unfinished).objection[1]
    partial = collect(root / "two", broken=True)
    found = precondition({"path": partial.anchor["path"], "sha256": partial.anchor["sha256"]})
    assert (found.objection, found.plain["partial"]) == (None, True)
    assert "partial" in found.caveat


def test_a_manifest_that_was_changed_is_no_evidence(tmp_path: Path) -> None:
    root = tmp_path / "evidence"
    root.mkdir(mode=0o700)
    sealed = collect(root / "one")
    document = root / "one" / "MANIFEST.json"
    document.chmod(0o600)
    document.write_bytes(document.read_bytes().replace(b"alice", b"mallo"))
    found = precondition({"path": sealed.anchor["path"], "sha256": sealed.anchor["sha256"]})
    assert "changed after it was sealed" in found.objection[1]


def test_an_override_says_why(tmp_path: Path) -> None:
    assert precondition(override="hurry").objection[0] == "no_evidence"
    found = precondition(override="the attacker is deleting rows now")
    assert found.objection is None
    assert "the attacker is deleting rows now" in found.caveat
    assert found.plain["override"] == "the attacker is deleting rows now"

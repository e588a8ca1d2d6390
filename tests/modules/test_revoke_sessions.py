# SPDX-License-Identifier: GPL-3.0-or-later
"""revoke_sessions ends the sessions of some in a real Redis and a real PostgreSQL, and nobody else's."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import Postgres

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import session_evidence, session_keys
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.modules.revoke_sessions import SPEC
from support.bundles import WHO, collect, strangers_check
from support.redis import PASSWORD, RedisServer, Starter, redis_server
from support.servers import kept, one_installation

__all__ = ["redis_server"]

Json = dict[str, Any]
SUSPECT, OTHER = 901, 17
DATABASE_PASSWORD = "c4n4ry/data base"


class Platform:
    """Redis and PostgreSQL as the backend uses them, and a place for evidence.

    Attributes:
        redis: with redis-cli.
        anchor: of evidence that was preserved.
    """

    def __init__(self, redis: RedisServer, pg: Postgres, directory: Path) -> None:
        self.redis = redis
        self._pg = pg
        self.database = pg.connect()
        self._kept = ExitStack()
        self._kept.callback(self.database.execute, "DELETE FROM users WHERE id IN (901, 902)")
        self._kept.enter_context(kept(self.database, "refresh_tokens"))
        self.database.execute("DELETE FROM refresh_tokens")
        self.database.execute(
            "INSERT INTO users (id, email, role, password_hash) OVERRIDING SYSTEM VALUE"
            " SELECT id, 'c4n4ry' || id || '@example.com', 'brand', '' FROM unnest(ARRAY[901, 902]) id"
            " ON CONFLICT DO NOTHING"
        )
        self.directory = directory / "evidence"
        self.directory.mkdir(mode=0o700)
        self.anchor = collect(self.directory / "first").anchor

    def close(self) -> None:
        """Give the server back as it was."""
        self.database.execute("DROP OWNED BY revoker; DROP ROLE revoker")
        self._kept.close()
        self.database.close()

    def open(self, user: int, count: int) -> list[int]:
        """Log in, as the backend does it: a row, and a key with its id."""
        rows = [
            self.database.execute("INSERT INTO refresh_tokens (user_id) VALUES (%s) RETURNING id", [user]).fetchone()
            for _ in range(count)
        ]
        ids = [int(row[0]) for row in rows if row]
        self.redis.cli("MSET", *(part for each in ids for part in (f"sess:{each}", str(user))))
        for each in ids[:1]:
            self.redis.cli("EXPIRE", f"sess:{each}", "900")
        return ids

    def good(self, user: int) -> int:
        """How many refresh tokens of somebody are good."""
        query = "SELECT count(*) FROM refresh_tokens WHERE user_id = %s AND revoked_at IS NULL"
        row = self.database.execute(query, [user]).fetchone()
        return int(row[0]) if row else 0

    def sessions(self) -> dict[str, str]:
        """Every session in Redis, by the owner's id."""
        names = self.redis.cli("--scan", "--pattern", "sess:*").split()
        return dict(zip(names, self.redis.cli("MGET", *names).split("\n"), strict=True)) if names else {}

    def options(self, **given: Any) -> Json:
        login = self._pg.login() | {"login_user": "revoker", "login_password": DATABASE_PASSWORD}
        evidence = {"directory": str(self.directory), "evidence_anchor": self.anchor}
        about = {"incident": WHO["incident"], "scope": "suspects", "actor_ids": [str(SUSPECT)]}
        return {**self.redis.options(), **login, **evidence, **about, **given}

    def run(self, *, check_mode: bool = False, **given: Any) -> Json:
        """Run the module as its edges do; no password and no mail address is in what it says."""
        defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
        params = {**defaults, **self.options(**given)}
        said = conclude(SPEC, params, check_mode)
        told = json.dumps(said, ensure_ascii=False)
        secrets = {DATABASE_PASSWORD, *SPEC.secrets(params)}
        assert json.dumps(censor(said, secrets), ensure_ascii=False) == told, "nothing is to be censored"
        assert PASSWORD not in told
        assert "@example.com" not in told
        return said


@pytest.fixture
def on(redis_server: Starter, tmp_path: Path) -> Iterator[Callable[[Postgres], Platform]]:
    """A function that makes a platform of a PostgreSQL."""

    made: list[Platform] = []

    def ready(pg: Postgres) -> Platform:
        platform = Platform(redis_server(), pg, tmp_path)
        platform.database.execute(f"CREATE ROLE revoker LOGIN PASSWORD '{DATABASE_PASSWORD}'")
        platform.database.execute(
            "GRANT SELECT (id, user_id, revoked_at), UPDATE (revoked_at) ON refresh_tokens TO revoker"
        )
        made.append(platform)
        return platform

    yield ready
    for platform in made:
        platform.close()


@pytest.fixture(params=one_installation())
def platform(request: pytest.FixtureRequest, server_of: Callable[[Any], Postgres], on: Any) -> Platform:
    found: Platform = on(server_of(request.param))
    return found


def test_exactly_the_suspects_sessions_end(pg: Postgres, on: Callable[[Postgres], Platform]) -> None:
    platform = on(pg)
    suspects, others = platform.open(SUSPECT, 7), platform.open(OTHER, 40)
    platform.redis.cli("MSET", "login:attempts:x", "3", "cache:901", "901", "bull:queue", "901")
    everything = platform.sessions()

    plan = platform.run(check_mode=True)
    assert (plan["status"], plan["changed"], plan["refusal"]) == ("planned", True, None)
    assert plan["before"] == {"refresh": {"owned": 7}, "sessions": {"owned": 7, "others": 40, "unreadable": 0}}
    assert [(each["store"], each["actor_ids"], each["at_most"]) for each in plan["targets"]] == [
        ("refresh", ["901"], 10000),
        ("sessions", ["901"], 10000),
    ]
    assert [(each["result"], each["count"]) for each in plan["results"]] == [("would_revoke", 7)] * 2
    assert (platform.sessions(), platform.good(SUSPECT)) == (everything, 7), "check mode changes nothing"
    assert len(list(platform.directory.iterdir())) == 1, "and saves nothing"

    platform.open(SUSPECT, 1)  # once more meanwhile: the approval is about the account
    platform.redis.cli("CONFIG", "RESETSTAT")
    done = platform.run(targets=plan["targets"], batch=3)
    sent = platform.redis.cli("INFO", "commandstats")
    assert (done["status"], done["changed"], done["targets"]) == ("done", True, plan["targets"])
    assert done["reason"] == "8 refresh tokens and 8 sessions revoked"
    assert done["after"]["sessions"] == {"owned": 0, "others": 40, "unreadable": 0, "others_within_5_percent": True}
    assert done["results"][0]["ids"][:7] == [str(each) for each in suspects]
    assert platform.sessions() == {f"sess:{each}": str(OTHER) for each in others}
    assert (platform.good(SUSPECT), platform.good(OTHER)) == (0, 40)
    assert platform.redis.cli("MGET", "login:attempts:x", "cache:901", "bull:queue").split() == ["3", "901", "901"]
    told = {line.removeprefix("cmdstat_").split(":")[0] for line in sent.splitlines() if line.startswith("cmdstat_")}
    assert told - {"config|resetstat"} == {"auth", "info", "scan", "mget", "pttl", "unlink"}, "no FLUSHALL, no KEYS"
    assert "cmdstat_unlink:calls=3," in sent, "in batches"

    again = platform.run(targets=plan["targets"])
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "no_change", False)
    assert platform.sessions() == {f"sess:{each}": str(OTHER) for each in others}


def test_what_they_were_is_saved_first_and_nobody_can_use_it(platform: Platform) -> None:
    ids = platform.open(SUSPECT, 3)
    done = platform.run()
    assert done["status"] == "done"
    (anchor,) = done["files"]
    bundle = Path(anchor["path"]).parent
    assert bundle.parent == platform.directory
    assert strangers_check(bundle) == ""
    saved = [json.loads(line) for line in (bundle / "data/redis/sessions.jsonl").read_text().splitlines()]
    hashed = {hashlib.sha256(f"sess:{each}".encode()).hexdigest()[:12] for each in ids}
    assert {each["key"] for each in saved} == hashed
    assert {each["owner"] for each in saved} == {"901"}
    assert sorted(each["ttl_s"] is not None and 0 < each["ttl_s"] <= 900 for each in saved) == [False, False, True]
    rows = [json.loads(line) for line in (bundle / "data/db/refresh_tokens.jsonl").read_text().splitlines()]
    assert rows == [{"id": str(each), "owner": "901"} for each in ids]
    assert stat.S_IMODE((bundle / "data/redis/sessions.jsonl").stat().st_mode) == 0o400


def test_without_evidence_nothing_ends_unless_somebody_says_why(platform: Platform, tmp_path: Path) -> None:
    platform.open(SUSPECT, 2)
    everything = platform.sessions()
    hosts = Path("/etc/hostname")
    some_file = {"path": str(hosts), "sha256": hashlib.sha256(hosts.read_bytes()).hexdigest()}
    for given in (
        {"evidence_anchor": None},
        {"evidence_anchor": {**platform.anchor, "sha256": "0" * 64}},
        {"evidence_anchor": some_file},
        {"incident": None},
        {"incident": "another"},
        {"evidence_anchor": None, "evidence_override": "x"},
        {"directory": None},
        {"directory": None, "evidence_override": "too short"},
    ):
        planned = platform.run(check_mode=True, **given)
        assert planned["status"] == "planned"
        assert "evidence_override" in planned["caveats"][-1]
        refused = platform.run(**given)
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "no_evidence", False)
    open_to_others = tmp_path / "open"
    open_to_others.mkdir(mode=0o755)
    failed = platform.run(directory=str(open_to_others))
    assert (failed["failed"], failed["changed"]) == (True, False)
    assert (platform.sessions(), platform.good(SUSPECT)) == (everything, 2)
    done = platform.run(evidence_anchor=None, directory=None, evidence_override="the attacker is exporting now")
    assert (done["status"], done["files"]) == ("done", [])
    assert done["results"][-1]["result"] == "overridden"
    assert done["results"][-1]["reason"] == "the attacker is exporting now"
    assert any("by decision: the attacker" in caveat for caveat in done["caveats"])
    assert platform.sessions() == {}


def test_partial_evidence_is_said_and_a_reason_that_was_not_needed_is_not(platform: Platform) -> None:
    platform.open(SUSPECT, 1)
    partial = collect(platform.directory / "second", broken=True).anchor
    done = platform.run(evidence_anchor=partial, evidence_override="the attacker is exporting now")
    assert done["status"] == "done"
    assert any("the evidence is partial" in caveat for caveat in done["caveats"])
    assert [each["store"] for each in done["results"]] == ["refresh", "sessions"]


def test_who_logs_in_again_is_told_from_sessions_of_before(platform: Platform) -> None:
    first, (second, _) = platform.open(SUSPECT, 1), platform.open(902, 2)
    whose = {"scope": "affected", "actor_ids": ["901", "902"]}
    done = platform.run(**whose)
    assert done["status"] == "done"
    since = {**whose, "saved_at": done["started_at"]}
    assert platform.run(check_mode=True, **since)["status"] == "nothing_to_do"

    newer = platform.open(902, 2)
    later = platform.run(scope="suspects", actor_ids=["902"], stores=["refresh"])  # of a later step
    assert later["status"] == "done"
    looked = platform.run(check_mode=True, **since)
    assert (looked["status"], looked["before"]["sessions"]["owned"]) == ("nothing_to_do", 0), "they may log in again"
    assert platform.run(check_mode=True, **whose)["before"]["sessions"]["owned"] == 2

    platform.redis.cli("SET", f"sess:{second}", "902")  # by a request that was under way
    platform.database.execute("UPDATE refresh_tokens SET revoked_at = NULL WHERE id = ANY(%s)", [[*first, *newer]])
    looked = platform.run(check_mode=True, **since)
    assert looked["status"] == "planned"
    assert {store: each["owned"] for store, each in looked["before"].items()} == {"refresh": 3, "sessions": 1}
    only = {**since, "stores": ["sessions"], "scope": "all", "all": True, "actor_ids": []}
    assert platform.run(check_mode=True, **only)["before"]["sessions"]["owned"] == 1

    everything = platform.sessions()
    for given, check_mode in (
        ({}, False),
        ({"saved_at": later["started_at"]}, True),  # which has saved no sessions
        ({"saved_at": "2026-11-23T23:40:12.110000Z"}, True),
        ({"saved_at": "unknown"}, True),
        ({"directory": None}, True),
    ):
        failed = platform.run(check_mode=check_mode, **{**since, **given})
        assert (failed["failed"], failed["changed"]) == (True, False), given
    assert platform.sessions() == everything


def test_another_plan_and_too_many_are_refused(platform: Platform) -> None:
    platform.open(SUSPECT, 5)
    platform.open(902, 1)
    everything = platform.sessions()
    plan = platform.run(check_mode=True)
    for given in ({"actor_ids": ["901", "902"]}, {"max_keys": 9}, {"stores": ["sessions"]}, {"scope": "affected"}):
        refused = platform.run(targets=plan["targets"], **given)
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "plan_changed", False)
    assert platform.run(targets=[])["refusal"] == "plan_changed"
    for check_mode in (True, False):
        many = platform.run(check_mode=check_mode, max_keys=4)
        assert (many["status"], many["refusal"], many["changed"]) == ("refused", "too_many", False)
    assert (platform.sessions(), platform.good(SUSPECT)) == (everything, 5)


def test_everybody_only_by_name(platform: Platform) -> None:
    platform.open(SUSPECT, 1)
    platform.open(OTHER, 2)
    platform.redis.cli("MSET", "cache:1", "x", "sess:odd", "x" * 300)
    for given in (
        {"scope": "all", "actor_ids": []},
        {"scope": "all", "all": True},
        {"all": True},
        {"actor_ids": []},
        {"pattern": "*"},
        {"pattern": "se*"},
        {"max_keys": 0},
        {"batch": 5001},
        {"stores": []},
    ):
        failed = platform.run(**given)
        assert failed["failed"] is True
        assert failed["msg"].startswith("Choosing the sessions to end: ")
    assert len(platform.sessions()) == 4
    done = platform.run(scope="all", all=True, actor_ids=[])
    assert (done["status"], done["targets"][0]["scope"]) == ("done", "all")
    assert platform.sessions() == {}
    assert (platform.good(SUSPECT), platform.good(OTHER)) == (0, 0)
    assert platform.redis.cli("GET", "cache:1") == "x"


def test_owners_in_json_and_in_hashes_and_what_nobody_can_tell(platform: Platform) -> None:
    cli = platform.redis.cli
    cli("SET", "sess:a", json.dumps({"cookie": {}, "passport": {"user": SUSPECT}}))
    cli("SET", "sess:b", json.dumps({"passport": {"user": OTHER}, "id": SUSPECT}))
    cli("SET", "sess:c", "901")  # no JSON object: whose it is cannot be told
    cli("HSET", "sess:d", "passport.user", "901", "ip", "192.0.2.1")
    cli("RPUSH", "sess:e", "901")
    result = platform.run(stores=["sessions"], owner_field="passport.user")
    assert result["before"] == {"sessions": {"owned": 2, "others": 1, "unreadable": 2}}
    assert (result["status"], result["changed"]) == ("partial", True)
    assert "whose 2 sessions are cannot be told" in result["reason"]
    assert sorted(cli("--scan").split()) == ["sess:b", "sess:c", "sess:e"]
    assert "refresh tokens are left" in result["caveats"][1]


def test_accounts_are_not_cleared_while_nobody_can_tell_whose_sessions_are(platform: Platform) -> None:
    cli = platform.redis.cli
    cli("SET", "sess:a", json.dumps({"user": {"id": SUSPECT}}))
    cli("SET", "sess:b", json.dumps({"user": {"id": OTHER}}))
    for field in ("", "user.idd", "passport.user"):
        for check_mode in (True, False):
            refused = platform.run(owner_field=field, check_mode=check_mode)
            assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "owners_unknown", False)
            assert refused["before"]["sessions"] == {"owned": 0, "others": 0, "unreadable": 2}
    platform.open(SUSPECT, 1)
    partial = platform.run(owner_field="user.idd")
    assert (partial["status"], partial["results"][0]["count"]) == ("partial", 1), partial
    assert len(cli("--scan").split()) == 3
    planned = platform.run(owner_field="user.id", check_mode=True)
    assert planned["before"]["sessions"]["owned"] == 1
    other = platform.run(owner_field="user.idd", targets=planned["targets"])
    assert (other["status"], other["refusal"]) == ("refused", "plan_changed")


def test_a_name_that_is_no_text_is_not_lost(platform: Platform) -> None:
    platform.redis.cli("EVAL", r"return redis.call('SET', 'sess:' .. string.char(255, 254), '901')", "0")
    refused = platform.run(stores=["sessions"])
    assert (refused["status"], refused["refusal"]) == ("refused", "owners_unknown")
    everybody = platform.run(scope="all", all=True, actor_ids=[], stores=["sessions"])
    assert (everybody["status"], everybody["changed"]) == ("refused", False)
    platform.redis.cli("SET", "sess:a", "901")
    partial = platform.run(scope="all", all=True, actor_ids=[], stores=["sessions"])
    assert (partial["status"], partial["results"][0]["count"]) == ("partial", 1)
    assert platform.redis.cli("DBSIZE").strip() == "1"


def lines(anchor: Json, name: str) -> list[Json]:
    """What a bundle keeps of a stream."""
    text = (Path(anchor["path"]).parent / "data" / name).read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_what_comes_meanwhile_is_saved_before_it_ends_or_left(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    preserve, come, full = session_evidence.preserve, list[int](), False

    def then_two_come(*given: Any, **who: Any) -> Any:
        if come and full:
            raise IncidentsError("Keeping evidence: no space left on device")
        sealed = preserve(*given, **who)
        come.extend([] if come else platform.open(SUSPECT, 2))
        return sealed

    monkeypatch.setattr(session_evidence, "preserve", then_two_come)
    first = platform.open(SUSPECT, 3)
    done = platform.run()
    assert (done["status"], done["results"][1]["count"], platform.sessions()) == ("done", 5, {}), done
    assert {strangers_check(Path(each["path"]).parent) for each in done["files"]} == {""}
    _, rows, late = done["files"]
    assert [each["id"] for each in lines(rows, "db/refresh_tokens_revoked.jsonl")] == [str(x) for x in first + come]
    hashed = {hashlib.sha256(f"sess:{each}".encode()).hexdigest()[:12] for each in come}
    assert {each["key"] for each in lines(late, "redis/sessions.jsonl")} == hashed

    come.clear()
    full = True
    platform.open(SUSPECT, 1)
    partial = platform.run()
    assert (partial["status"], [each["count"] for each in partial["results"]]) == ("partial", [3, 1])
    assert "the ids of those that came meanwhile could not be saved" in partial["reason"]
    assert "2 that came meanwhile could not be saved and were left" in partial["reason"]
    assert set(platform.sessions()) == {f"sess:{each}" for each in come}


def test_ages_that_were_not_read_are_not_called_none(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_keys, "MOST_AGES", 1)
    platform.open(SUSPECT, 3)
    (anchor,) = platform.run(stores=["sessions"])["files"]
    assert [each["ttl_s"] for each in lines(anchor, "redis/sessions.jsonl")][1:] == ["not_read"] * 2


def test_ids_from_a_file_that_nobody_else_reads(platform: Platform, tmp_path: Path) -> None:
    platform.open(SUSPECT, 1)
    platform.open(902, 1)
    file = tmp_path / "ids"
    file.write_text("901\n902\n\n")
    file.chmod(0o644)
    assert "nobody else may read" in platform.run(actor_ids_file=str(file))["msg"]
    file.chmod(0o600)
    planned = platform.run(check_mode=True, actor_ids_file=str(file), actor_ids=[])
    assert planned["targets"][0]["actor_ids"] == ["901", "902"]
    assert planned["before"]["sessions"]["owned"] == 2


def test_the_tables_names_and_types_are_options(platform: Platform) -> None:
    run = platform.database.execute
    run(
        "CREATE SCHEMA auth; CREATE TABLE auth.grants (no uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
        " account text, off boolean); GRANT USAGE ON SCHEMA auth TO revoker; GRANT ALL ON auth.grants TO revoker;"
        " INSERT INTO auth.grants (account, off) VALUES ('a', NULL), ('a', false), ('a', true), ('b', false)"
    )
    names = {
        "refresh_schema": "auth",
        "refresh_table": "grants",
        "refresh_id_column": "no",
        "refresh_owner_column": "account",
        "refresh_revoked_column": "off",
        "stores": ["refresh"],
        "actor_ids": ["a"],
    }
    try:
        run("CREATE TABLE auth.short (id int UNIQUE, twice int, account char(8), at timestamptz, UNIQUE (twice, at))")
        run("GRANT ALL ON auth.short TO revoker")
        run("INSERT INTO auth.short VALUES (1, 1, 'ab', NULL), (2, 1, 'ac', NULL), (3, 1, 'a', NULL)")
        short = {**names, "refresh_table": "short", "refresh_revoked_column": "at", "actor_ids": ["ab"]}
        failed = platform.run(**{**short, "refresh_id_column": "twice"})
        assert (failed["failed"], failed["changed"]) == (True, False)
        assert "twice has no unique index of its own" in failed["msg"]
        done = platform.run(**{**short, "refresh_id_column": "id"})
        assert (done["status"], done["results"][0]["ids"]) == ("done", ["1"])
        assert run("SELECT id FROM auth.short WHERE at IS NOT NULL").fetchall() == [(1,)]

        done = platform.run(**names)
        assert (done["status"], done["reason"]) == ("done", "2 refresh tokens revoked")
        left = run("SELECT account FROM auth.grants WHERE off IS NOT TRUE").fetchall()
        assert left == [("b",)]
        for changed, said in (
            ({"refresh_table": "gone"}, "there is no such table"),
            ({"refresh_owner_column": "gone"}, "it has no column gone"),
            ({"refresh_revoked_column": "account"}, "neither a time nor a boolean"),
            ({"refresh_owner_column": "no"}, "an id of an actor is no uuid"),
        ):
            failed = platform.run(**{**names, **changed})
            assert (failed["failed"], failed["changed"]) == (True, False)
            assert said in failed["msg"]
    finally:
        run("DROP SCHEMA auth CASCADE")


def test_a_store_that_fails_does_not_keep_the_other_from_ending(platform: Platform) -> None:
    platform.open(SUSPECT, 2)
    platform.database.execute("REVOKE UPDATE (revoked_at) ON refresh_tokens FROM revoker")
    partial = platform.run()
    assert [each["result"] for each in partial["results"]] == ["failed", "revoked"]
    assert (partial["status"], partial["changed"]) == ("partial", True)
    assert "permission denied" in partial["reason"]
    assert (platform.sessions(), platform.good(SUSPECT)) == ({}, 2)
    platform.database.execute("GRANT UPDATE (revoked_at) ON refresh_tokens TO revoker")
    assert platform.run()["status"] == "done"

    platform.open(SUSPECT, 2)
    platform.redis.cli("ACL", "SETUSER", "looks", "on", ">pw", "~sess:*", "+@all", "-unlink")
    failed = platform.run(redis_username="looks", redis_password="pw", stores=["sessions"])
    assert (failed["status"], failed["changed"]) == ("failed", False)
    assert "no permissions" in failed["reason"]
    assert len(platform.sessions()) == 2


def test_no_answer_to_the_unlink_is_unknown(platform: Platform) -> None:
    platform.open(SUSPECT, 2)
    platform.redis.cli("CLIENT", "PAUSE", "60000", "WRITE")
    cut_off = platform.run(stores=["sessions"], redis_request_timeout=1)
    assert (cut_off["status"], cut_off["changed"], cut_off["results"][0]["result"]) == ("unknown", True, "unknown")
    assert cut_off["after"]["sessions"]["owned"] == 2, "it was looked at again, by another connection"
    assert "left or new" in cut_off["reason"]
    platform.redis.cli("CLIENT", "UNPAUSE")
    assert platform.run()["after"]["sessions"]["owned"] == 0


def test_systems_that_cannot_be_asked_and_a_replica(platform: Platform) -> None:
    platform.open(SUSPECT, 1)
    for given, cause in (
        ({"redis_port": 1}, "refused"),
        ({"redis_password": "wr0ng-password"}, "wrongpass"),
        ({"login_port": 1}, "refused"),
        ({"redis_host": None}, "not_configured"),
    ):
        failed = platform.run(**given)
        assert (failed["failed"], failed["changed"], failed["cause"]) == (True, False, cause)
    platform.redis.cli("REPLICAOF", "127.0.0.1", "1")
    refused = platform.run(stores=["sessions"])
    assert (refused["status"], refused["refusal"]) == ("refused", "replica")
    platform.redis.cli("REPLICAOF", "NO", "ONE")
    assert (len(platform.sessions()), platform.good(SUSPECT)) == (1, 1)

# SPDX-License-Identifier: GPL-3.0-or-later
"""evidence_snapshot of a real database: the bundle holds what the database has, and what it does not hold is said."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest
from modules.evidence_support import (
    AUDIT,
    SINCE,
    UNTIL,
    data,
    directory,
    dumping,
    faked,
    identity,
    is_sound,
    take,
    trail,
)
from modules.k8s_support import until

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_bundles import verify_bundle
from support.servers import one_installation

__all__ = ["directory", "identity", "trail"]

NOBODY = {"namespace": "shop", "host": "http://127.0.0.1:1", "api_key": "c4n4ry-api-key"}


def test_the_audit_trail_is_whole_and_gaps_are_told(trail: Any, directory: Path) -> None:
    result = take(directory, ["audit"], **trail.login())
    assert (result["status"], result["partial"], result["missing"]) == ("done", False, []), result
    with (data(result) / "db/audit_logs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with trail.connect() as connection:
        wanted = connection.execute(
            "SELECT id FROM audit_logs WHERE created_at >= %s AND created_at < %s ORDER BY created_at, id",
            [SINCE, UNTIL],
        ).fetchall()
    assert [int(row["id"]) for row in rows] == [number for (number,) in wanted]
    assert rows[0]["action"] == 'user.read, "quoted"\nand a second line'
    facts = result["facts"]["db/audit_logs.csv"]
    assert (facts["rows"], facts["counted"]) == (len(wanted), len(wanted))
    assert (facts["gaps"]["gaps"], facts["gaps"]["missing_ids"]) == (2, 4), "the row of December is no gap"
    assert facts["gaps"]["longest"][0] == {"after": 2, "before": 6, "missing": 3}
    is_sound(result, trail.ops_password)


def test_the_dump_is_of_the_same_snapshot_and_for_the_recipient_only(
    trail: Any, directory: Path, identity: Any
) -> None:
    result = take(directory, ["audit", "dump"], **dumping(trail, identity))
    assert (result["status"], result["missing"]) == ("done", []), (result["missing"], result["reason"])
    facts = result["facts"]
    assert facts["db/dump.pgdump.age"]["snapshot"] == facts["db/audit_logs.csv"]["snapshot"]
    sealed = (data(result) / "db/dump.pgdump.age").read_bytes()
    assert sealed.startswith(b"age-encryption.org/v1\n")
    assert b"user.read" not in sealed
    clear = pyrage.decrypt(sealed, [identity])
    assert hashlib.sha256(clear).hexdigest() == facts["db/dump.pgdump.age"]["clear_sha256"]
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])
    (directory / "clear").write_bytes(clear)
    restore = Path(trail.server.folder) / "pg_restore"
    command = [restore, "--data-only", "--table=audit_logs", "--file=-", directory / "clear"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    with trail.connect() as connection:
        (count,) = connection.execute("SELECT count(*) FROM audit_logs").fetchone()
    assert said.stdout.count("user.read") == count - 1
    is_sound(result, trail.ops_password, str(identity))


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("head -c 300000 /dev/zero; echo 'pg_dump: error: could not read' $PGPASSWORD >&2; exit 1", "could not read"),
        ("head -c 300000 /dev/zero; kill -9 $$", "SIGKILL"),
        ("head -c 300000 /dev/zero; kill -PIPE $$", "SIGPIPE"),
        ("exec sleep 60", "not done in 1 s"),
        ("exit 3", "ended with 3: it said nothing"),
    ],
)
def test_a_dump_that_breaks_is_an_error_of_that_source_alone(
    trail: Any, directory: Path, identity: Any, script: str, said: str
) -> None:
    options = dumping(trail, identity, program=faked(directory, script))
    result = take(directory, ["audit", "dump"], source_timeout=1 if "sleep" in script else 60, **options)
    assert (result["status"], result["partial"]) == ("partial", True)
    (failed,) = result["missing"]
    assert (failed["source"], failed["path"]) == ("dump", "db/dump.pgdump.age")
    assert said in failed["error"]
    assert not (data(result) / "db/dump.pgdump.age").exists(), "half a dump never has the name of a whole one"
    assert (data(result) / "db/audit_logs.csv").exists()
    assert "PARTIAL" in result["reason"]
    is_sound(result, trail.ops_password)


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_what_the_role_may_not_read_is_said(trail: Any, directory: Path, identity: Any) -> None:
    with trail.connect() as connection:
        connection.execute(f"REVOKE SELECT ON audit_logs FROM {trail.ops_user}")  # noqa: S608 - a role of the lab
    try:
        result = take(directory, ["audit", "dump"], **dumping(trail, identity))
    finally:
        with trail.connect() as connection:
            connection.execute(f"GRANT SELECT ON audit_logs TO {trail.ops_user}")
    assert {(item["source"], "permission denied" in item["error"]) for item in result["missing"]} == {
        ("audit", True),
        ("dump", True),
    }
    is_sound(result, trail.ops_password)


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_tables_and_columns_that_are_not_there_and_a_hostile_name(trail: Any, directory: Path) -> None:
    for number, table in enumerate(("no_such", 'audit_logs" ; DROP TABLE audit_logs; --%s', "audit_logs'%(since)s")):
        result = take(directory, ["audit"], name=f"b{number}", audit={"table": table}, **trail.login())
        assert "no such table" in result["missing"][0]["error"], result
    result = take(directory, ["audit"], name="c", audit={"id_column": "number"}, **trail.login())
    assert "audit.id_column" in result["missing"][0]["error"]
    assert take(directory, ["audit"], name="d", **trail.login())["status"] == "done"


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_check_mode_writes_nothing_and_the_second_run_does_nothing(trail: Any, directory: Path, identity: Any) -> None:
    options = dumping(trail, identity)
    planned = take(directory, ["audit", "dump"], check_mode=True, **options)
    assert (planned["status"], planned["anchor"], planned["files"]) == ("planned", None, [])
    assert list(directory.iterdir()) == []
    assert [item["paths"] for item in planned["sources"]] == [["db/audit_logs.csv"], ["db/dump.pgdump.age"]]
    assert planned["bytes_total"] > 0
    assert planned["free_bytes"] > 0
    done = take(directory, ["audit", "dump"], **options)
    again = take(directory, ["audit", "dump"], **options)
    assert (done["changed"], again["changed"], again["status"]) == (True, False, "nothing_to_do")
    assert again["anchor"] == done["anchor"]
    bundle = Path(done["directory"])
    before = {path: path.stat().st_ctime_ns for path in [bundle, *bundle.rglob("*")]}
    same = take(directory, ["audit", "dump"], check_mode=True, anchor_sha256=done["sha256"], **options)
    assert (same["changed"], same["status"], same["partial"]) == (False, "nothing_to_do", False)
    assert (same["anchor"], same["files"]) == (done["anchor"], [done["anchor"]])
    assert {path: path.stat().st_ctime_ns for path in [bundle, *bundle.rglob("*")]} == before
    assert done["files_total"] == planned["files_total"] == 2
    without = take(None, ["audit"], check_mode=True, **trail.login())
    assert without["status"] == "planned"


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_partitions_and_tables_that_inherit_are_in_the_dump(trail: Any, directory: Path, identity: Any) -> None:
    with trail.connect() as connection:
        connection.execute("CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at)")
        connection.execute(
            "CREATE TABLE \"parted \"\"26\" PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
        )
        connection.execute("CREATE TABLE heir () INHERITS (users)")
        connection.execute("INSERT INTO parted VALUES (4711, '2026-11-03')")
        connection.execute(f'GRANT SELECT ON parted, "parted ""26", heir TO {trail.ops_user}')
    try:
        tables = ["public.parted", "public.users"]
        result = take(directory, ["dump"], **dumping(trail, identity, tables=tables))
    finally:
        with trail.connect() as connection:
            connection.execute("DROP TABLE parted, heir")
    assert result["status"] == "done", result["missing"]
    named = [table["name"] for table in result["facts"]["db/dump.pgdump.age"]["tables"]]
    assert named == ["public.heir", "public.parted", 'public.parted "26', "public.users"]
    clear = pyrage.decrypt((data(result) / "db/dump.pgdump.age").read_bytes(), [identity])
    (directory / "clear").write_bytes(clear)
    restore = [Path(trail.server.folder) / "pg_restore", "--data-only", "--file=-", directory / "clear"]
    assert "4711\t2026-11-03" in subprocess.run(restore, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_what_may_not_give_every_row_never_counts_as_whole(trail: Any, directory: Path, identity: Any) -> None:
    with trail.connect() as connection:
        connection.execute("CREATE VIEW trail_view AS SELECT * FROM audit_logs WHERE id > 5")
        connection.execute(f"GRANT SELECT ON trail_view TO {trail.ops_user}")
        connection.execute("ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY")
        connection.execute(f"CREATE POLICY newer ON audit_logs TO {trail.ops_user} USING (id > 5)")
    try:
        hidden = take(directory, ["audit"], **trail.login())
        view = take(directory, ["audit", "dump"], name="view", audit={"table": "trail_view"},
                    **dumping(trail, identity, tables=["public.trail_view"]))  # fmt: skip
    finally:
        with trail.connect() as connection:
            connection.execute("DROP VIEW trail_view")
            connection.execute("DROP POLICY newer ON audit_logs")
            connection.execute("ALTER TABLE audit_logs DISABLE ROW LEVEL SECURITY")
    assert "row-level security" in hidden["missing"][0]["error"], hidden
    assert {(item["source"], "is a view" in item["error"]) for item in view["missing"]} == {
        ("audit", True),
        ("dump", True),
    }
    assert (data(view) / "db/trail_view.csv.partial").exists(), "what it gave is kept"


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_what_is_larger_than_max_bytes_never_looks_whole(trail: Any, directory: Path) -> None:
    result = take(directory, ["audit"], max_bytes=100, **trail.login())
    assert (result["status"], result["partial"]) == ("partial", True)
    assert "max_bytes" in result["missing"][0]["error"]
    assert sorted(path.name for path in (data(result) / "db").iterdir()) == ["audit_logs.csv.partial"]


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_systems_that_are_down_stop_no_other(trail: Any, directory: Path, identity: Any) -> None:
    down = {"redis_host": "127.0.0.1", "redis_port": 1, "redis_password": "c4n4ry-redis"}
    down |= {"prometheus_url": "http://127.0.0.1:1", "prometheus": {"queries": {"up": "up"}}, **NOBODY}
    sources = ["kubernetes", "audit", "dump", "redis", "prometheus"]
    result = take(directory, sources, **dumping(trail, identity), **down)
    assert {item["source"] for item in result["missing"]} == {"kubernetes", "redis", "prometheus"}
    assert {item["source"]: item["reachable"] for item in result["sources"]} == {
        source: source in {"audit", "dump"} for source in sources
    }
    is_sound(result, "c4n4ry", trail.ops_password)
    nothing = take(directory, sources, name="n", **{**dumping(trail, identity), "login_password": "c4n4ry"}, **down)
    assert {item["source"] for item in nothing["missing"]} == set(sources)
    assert nothing["files_total"] == 0
    assert verify_bundle(Path(nothing["directory"]))[1] == []
    assert "c4n4ry" not in json.dumps(nothing)


KILLED = """
import json, sys
from pathlib import Path
from modules.test_evidence_snapshot import take
options = json.load(sys.stdin)
print(take(Path(options.pop("directory")), options.pop("sources"), **options))
"""


@pytest.mark.parametrize("pg", one_installation(), indirect=True)
def test_killed_in_the_middle_and_run_again_it_ends_whole(trail: Any, directory: Path, identity: Any) -> None:
    slow = faked(directory, "head -c 3000000 /dev/urandom; while echo; do sleep 0.2; done")
    options = dumping(trail, identity, program=slow)
    bundle = directory / "evidence" / "snapshot"
    given = json.dumps({"directory": str(directory), "sources": ["audit", "dump"], **options})
    tests = Path(__file__).parents[1]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, env=environ, cwd=directory.parent, text=True
    )
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    growing = bundle / "data/db/dump.pgdump.age.part"
    until(lambda: growing.exists() and growing.stat().st_size > 100_000, "the dump grows")
    before = (bundle / "data/db/audit_logs.csv").read_bytes()
    process.kill()
    process.wait()
    assert not (bundle / "tagmanifest-sha256.txt").exists()
    with trail.connect() as connection:
        connection.execute(AUDIT + "VALUES (9, 'after', 'user', 'x', '2026-11-03')")
    result = take(directory, ["audit", "dump"], **dumping(trail, identity))
    assert (result["status"], result["resumed"], result["partial"]) == ("done", True, False), result
    assert (data(result) / "db/audit_logs.csv").read_bytes() == before, "what was collected is kept"
    clear = pyrage.decrypt((data(result) / "db/dump.pgdump.age").read_bytes(), [identity])
    assert clear.startswith(b"PGDMP")
    assert not growing.exists()
    is_sound(result, trail.ops_password)

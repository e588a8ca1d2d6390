# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's npm: it reads arguments as the real one does, and its jobs do what their own arguments say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks.lab.workloads import npm
from incident_runbooks.lab.workloads.npm import CALLS_VARIABLE, arguments, jobs
from support.servers import installations
from support.workloads import database_environ

# What npm and its jobs do is the same on every PostgreSQL
any_server = pytest.mark.parametrize("pg", installations()[:1], indirect=True)
SYNC = "jobs:sync-metrics"

SILENT = {"loglevel": "silent"}

# What the real npm 11.19 did: arguments, what reached the script, what became npm's own, what it warned of
OBSERVED: list[tuple[list[str], list[str], dict[str, str], list[str]]] = [
    (["run", SYNC], [], {}, []),
    (["run", SYNC, "--since=1hour"], [], {"since": "1hour"}, ["Unknown --since"]),
    (["run", SYNC, "--", "--since=1hour", "a b", "$x"], ["--since=1hour", "a b", "$x"], {}, []),
    (["run", SYNC, "--since", "1hour"], ["1hour"], {"since": "true"}, ["parsed 1hour", "Unknown --since"]),
    (["run", SYNC, "--ids=7", "--force"], [], {"ids": "7", "force": "true"}, ["force", "Unknown --ids"]),
    (["run", SYNC, "--affected-users=all"], [], {"affected_users": "all"}, ["Unknown --affected-users"]),
    (["run", "--silent", SYNC, "--", "--json"], ["--json"], {"loglevel": "silent"}, []),
    (["run", "-s", SYNC, "--a=1", "--", "-j", "--", "y"], ["1", "-j", "--", "y"], {"all": "true", **SILENT}, []),
    (["--silent", "run", SYNC, "a", "b", "--force", "c"], ["a", "b", "c"], {"force": "true", "loglevel": "silent"}, []),
    (["run", SYNC, "-sf"], [], {"force": "true", "loglevel": "silent"}, []),
    (["run", SYNC, "--sil"], [], {"loglevel": "silent"}, []),
    (["run", SYNC, "--max", "-5"], [], {"maxsockets": "-5"}, ["Expanding --max --maxsockets"]),
    (["run", SYNC, "--dry", "--", "a"], ["a"], {"dry_run": "true"}, ["Expanding --dry --dry-run"]),
    (["run", SYNC, "--since", "true", "b"], ["b"], {"since": "true"}, ["Unknown --since"]),
    (["run", SYNC, "--since=a", "--since=b"], [], {"since": "a\n\nb"}, ["Unknown --since"]),
    (["run", SYNC, "--no-foo"], [], {"foo": ""}, ["Unknown --foo"]),
    (["run", SYNC, "--json", "true", "a"], ["a"], {"json": "true"}, []),
    (["run", SYNC, "--force=false", "--", "x"], ["x"], {}, []),
    (["run", "--", SYNC, "--", "a"], ["--", "a"], {}, []),
    (["run", SYNC, "--loglevel", "error", "--since=1"], [], {"loglevel": "error", "since": "1"}, []),
]  # fmt: skip
KEYS = {key for _, _, config, _ in OBSERVED for key in config}

# Other tests of the same server may have ingested some
STALE = "UPDATE campaign_metrics SET synced_at = now() - interval '1 day'"


def warned(stderr: str) -> list[str]:
    """Shorten npm's warnings to what the table has."""
    found = []
    for line in stderr.splitlines():
        match line.removeprefix("npm warn ").replace('"', "").rstrip(".").split():
            case ["Unknown", "cli", "config", name, *_]:
                found.append(f"Unknown {name.rstrip('.')}")
            case [value, "is", "being", "parsed", *_]:
                found.append(f"parsed {value}")
            case ["Expanding", short, "to", name, *_]:
                found.append(f"Expanding {short} {name.rstrip('.')}")
            case ["using", "--force", *_]:
                found.append("force")
    return found


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """Our npm, as a pod has it."""
    return npm.install(tmp_path / "bin")


@pytest.fixture
def call(pg: Any, command: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs our npm against the database."""

    def run(*given: str, **environ: str) -> subprocess.CompletedProcess[str]:
        where = {**database_environ(pg), "POD_NAME": "backend-abc", CALLS_VARIABLE: str(tmp_path / "calls.jsonl")}
        path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["npm", *given],
            env={**os.environ, "PATH": path, **where, **environ},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize(("given", "own", "config", "warnings"), OBSERVED, ids=lambda value: " ".join(value) or "-")
def test_arguments_are_read_as_npm_reads_them(
    given: list[str], own: list[str], config: dict[str, str], warnings: list[str]
) -> None:
    line = arguments.read(given)
    assert line.positional == ["run", SYNC, *own]
    assert line.environ() == {f"npm_config_{name}": value for name, value in config.items()}
    said = line.warnings if line.log_level not in {"silent", "error"} else []
    assert warned("\n".join(said)) == warnings


@pytest.mark.skipif(
    not shutil.which("npm") or subprocess.run(["npm", "-v"], capture_output=True, check=False).stdout[:3] != b"11.",
    reason="no npm 11 on PATH: the table above stands for it",
)
def test_the_table_is_what_the_real_npm_does(tmp_path: Path) -> None:
    """A sample, since each call takes a quarter of a second."""
    show = "console.log(JSON.stringify([process.argv.slice(2), process.env]))"
    (tmp_path / "show.js").write_text(show, encoding="utf-8")
    package = {"name": "backend", "version": "1.42.0", "scripts": {SYNC: "node show.js"}}
    (tmp_path / "package.json").write_text(json.dumps(package), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.lower().startswith("npm_")}
    for given, own, config, warnings in OBSERVED[1::2]:
        done = subprocess.run(["npm", *given], cwd=tmp_path, env=inherited, capture_output=True, text=True, check=True)
        argv, environ = json.loads(done.stdout.splitlines()[-1])
        assert argv == own, given
        got = {key: environ[f"npm_config_{key}"] for key in KEYS if f"npm_config_{key}" in environ}
        assert got == config, given
        assert warned(done.stderr) == warnings, given


@any_server
def test_a_flag_before_the_dashes_never_reaches_the_job(
    pg: Any, call: Callable[..., Any], tmp_path: Path, scalar: Callable[..., Any]
) -> None:
    app = pg.connect(pg.app_user)
    app.execute("UPDATE refresh_tokens SET revoked_at = NULL")
    alive = scalar(app, "SELECT count(*) FROM refresh_tokens")
    recent = scalar(app, "SELECT count(*) FROM refresh_tokens WHERE issued_at >= now() - interval '1 hour'")
    assert 0 < recent < alive
    dry = call("run", "--silent", "jobs:revoke-tokens", "--", "--since=1hour", "--dry-run", "--json")
    assert json.loads(dry.stdout)["affected"] == recent
    narrow = call("run", "--silent", "jobs:revoke-tokens", "--", "--since=1hour", "--json")
    result = json.loads(narrow.stdout)
    assert (narrow.returncode, narrow.stderr) == (0, "")
    assert (result["affected"], result["everything"], result["dry_run"]) == (recent, False, False)
    assert scalar(app, "SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NOT NULL") == recent
    lost = call("run", "jobs:revoke-tokens", "--since=1hour")
    assert 'Unknown cli config "--since"' in lost.stderr
    assert lost.stdout.splitlines() == [
        "",
        "> backend@1.42.0 jobs:revoke-tokens",
        "> node dist/jobs/revoke-tokens.js",
        "",
        f"jobs:revoke-tokens: {alive - recent} affected",
    ]
    assert scalar(app, "SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL") == 0, "everybody was logged out"
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [each["script_argv"] for each in calls[1:]] == [["--since=1hour", "--json"], []]
    assert calls[2]["argv"] == ["run", "jobs:revoke-tokens", "--since=1hour"]
    assert calls[2]["npm_config"] == {"npm_config_since": "1hour"}
    assert (calls[2]["pod"], calls[2]["cwd"], calls[2]["script"]) == (
        "backend-abc",
        str(tmp_path),
        "jobs:revoke-tokens",
    )


@any_server
@pytest.mark.parametrize(
    ("script", "narrowed", "everything", "count"),
    [
        (
            "jobs:retry-failed-payments",
            ["--since=5hours", "--max=2"],
            "SELECT id FROM payments WHERE status = 'failed'",
            2,
        ),
        ("jobs:sync-metrics", ["--campaigns=1,2"], "SELECT id FROM campaigns", 2),
        ("jobs:send-password-resets", ["--affected-users", "3,4"], "SELECT id FROM users", 2),
        ("jobs:send-password-resets", ["--user-ids=3,4", "--incident=one"], "SELECT id FROM users", 2),
        ("jobs:require-2fa-for-all-users", ["--user-ids=5"], "SELECT id FROM users WHERE NOT two_factor_required", 1),
        ("jobs:require-2fa", ["--user-ids=5"], "SELECT id FROM users WHERE NOT two_factor_required", 1),
        ("jobs:revoke-oauth", ["--account-ids=5,6"], "SELECT account_id FROM oauth_grants WHERE revoked_at IS NULL", 2),
    ],
)
def test_jobs_do_what_they_are_told_and_everything_otherwise(
    pg: Any, script: str, narrowed: list[str], everything: str, count: int
) -> None:
    job, app = jobs.JOBS[script], pg.connect(pg.app_user)
    app.execute(STALE)
    wanted = sorted(row[0] for row in app.execute(everything).fetchall())

    def run(*given: str) -> dict[str, Any]:
        return jobs.run(script, app, jobs.parse(job, given))

    dry = run(*narrowed, "--dry-run")
    assert (dry["affected"], dry["dry_run"]) == (count, True)
    assert sorted(row[0] for row in app.execute(everything).fetchall()) == wanted, "a dry run changes nothing"
    whole = run("--dry-run")
    assert (whole["ids"], whole["everything"]) == (wanted, True)
    with app.transaction(force_rollback=True):
        did = run(*narrowed)
        assert (did["affected"], did["everything"], did["dry_run"]) == (count, False, False)
        assert set(did["ids"]) <= set(wanted)
        if "failed" in everything or "NOT" in everything or "revoked" in everything:
            left = {row[0] for row in app.execute(everything).fetchall()}
            assert left == set(wanted) - set(did["ids"])


@any_server
def test_a_reset_for_an_incident_is_sent_once_and_ends_the_password(pg: Any, scalar: Callable[..., Any]) -> None:
    app, script = pg.connect(pg.app_user), "jobs:send-password-resets"
    job = jobs.JOBS[script]
    with app.transaction(force_rollback=True):
        app.execute("UPDATE users SET password_hash = 'x'")
        for wanted in ([3, 4], []):
            options = jobs.parse(job, ["--user-ids=3,4", "--incident=one"])
            assert jobs.run(script, app, options)["ids"] == wanted
        assert scalar(app, "SELECT array_agg(id ORDER BY id) FROM users WHERE password_hash IS NULL") == [3, 4]
        assert jobs.run(script, app, jobs.parse(job, ["--user-ids=4,5", "--incident=two"]))["ids"] == [4, 5]


@any_server
def test_fresh_metrics_are_synced_only_by_force(pg: Any) -> None:
    app, job = pg.connect(pg.app_user), jobs.JOBS[SYNC]
    app.execute(STALE)
    with app.transaction(force_rollback=True):
        first = jobs.run(SYNC, app, jobs.parse(job, ["--campaigns=active"]))
        active = [row[0] for row in app.execute("SELECT id FROM campaigns WHERE status = 'active' ORDER BY id")]
        assert first["ids"] == active
        assert first["scope"] == {"campaigns": "active", "platform": None, "max": None}
        assert jobs.run(SYNC, app, jobs.parse(job, ["--campaigns=active"]))["affected"] == 0
        assert jobs.run(SYNC, app, jobs.parse(job, ["--campaigns=active", "--force"]))["ids"] == active


@pytest.mark.parametrize(
    ("given", "status", "out", "err"),
    [
        (["run", "nope"], 1, "", 'npm error Missing script: "nope"\nnpm error\nnpm error To see a list of scripts'),
        (["run", "--silent", "nope"], 1, "", ""),
        (["run", "nope", "--if-present"], 0, "", ""),
        (["run", "nope", "--json"], 1, '{\n  "error": {\n    "summary": "Missing script: ', "npm error Missing"),
        (["frobnicate"], 1, 'Unknown command: "frobnicate"', ""),
        (["run"], 0, "Scripts available in backend@1.42.0 via `npm run`:\n  jobs:retry-failed-payments\n", ""),
        ([], 1, "npm <command>", ""),
        (["-v"], 0, "11.", ""),
        (["run", "-s", SYNC, "--", "--speed=1"], 1, "", "error: unknown option '--speed=1'"),
        (["run", "-s", SYNC, "--", "--campaigns=none"], 1, "", "error: option '--campaigns': 'none' is no list"),
        (["run", "-s", SYNC, "--", "--campaigns"], 1, "", "error: option '--campaigns <value>' argument missing"),
        (["run", "-s", SYNC, "extra"], 1, "", "error: unexpected argument 'extra'"),
        (["run", "-s", "jobs:revoke-tokens", "--", "--since=soon"], 1, "", "error: option '--since': 'soon' is"),
        (["run", SYNC, "--json", "--", "--speed"], 1, "", "\n> backend@1.42.0 jobs:sync-metrics"),
    ],
)  # fmt: skip
def test_what_npm_says(command: Path, tmp_path: Path, given: list[str], status: int, out: str, err: str) -> None:
    done = subprocess.run([command, *given], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stdout.startswith(out) if out else done.stdout == ""
    assert done.stderr.startswith(err) if err else done.stderr == ""
    assert (tmp_path / "npm-calls.jsonl").stat().st_mode & 0o777 == 0o600


@any_server
def test_a_database_that_is_away_fails_the_job(call: Callable[..., Any]) -> None:
    done = call("run", "-s", SYNC, "--", "--json", DATABASE_PORT="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: connect ECONNREFUSED 127.0.0.1:1\n"


@pytest.mark.parametrize("text", ["1hour", "90min", "2h", "1 day", "30s", "2026-01-02T03:04:05Z", "2026-01-02"])
def test_times_that_a_job_understands(text: str) -> None:
    assert jobs.read_since(text).tzinfo is not None

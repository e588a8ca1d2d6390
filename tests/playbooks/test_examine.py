# SPDX-License-Identifier: GPL-3.0-or-later
"""Several modules in one task: each says what it says alone, and a later one knows what an earlier one said."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from support.journal_bench import Bench, Ran, copy_collection

EXAMINE = "brandconnect.incidents.examine"
FINDING = "brandconnect.incidents.finding"
PASSWORD = "hunter2-hunter2"
BUDGET = {"module": "stripe_rate_budget", "args": {"account_rps": 20, "replicas": 2, "headroom": 0.5, "surge": 0}}


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    return Bench(collections, tmp_path)


@pytest.fixture
def closed() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        return int(there.getsockname()[1])


def examined(bench: Bench, *reads: Any, show: str = "examined.found", **task: Any) -> Ran:
    """Examine, and show a part of what came of it as the data of a finding."""
    look = {"name": "Look", EXAMINE: {"reads": list(reads)}, "register": "examined", **task}
    tell = {"name": "Tell", FINDING: {"check": "shown", "data": {"it": "{{ " + show + " }}"}}}
    return bench.run(bench.playbook([{"tasks": [look, tell]}]))


def shown(ran: Ran) -> Any:
    (finding,) = ran.result["findings"]
    return finding["data"]["it"]


def postgres(port: int, **changes: Any) -> dict[str, Any]:
    login = {"login_host": "127.0.0.1", "login_port": port, "login_user": "u", "login_password": PASSWORD}
    return {"module": "sql_query", "args": {**login, "query": "SELECT 1", **changes}}


def test_each_says_what_it_says_alone(bench: Bench, closed: int) -> None:
    alone = {"name": "Ask", f"brandconnect.incidents.{BUDGET['module']}": BUDGET["args"], "register": "alone"}
    reads = [{"as": "rows", **postgres(closed)}, {"as": "budget", **BUDGET}]
    look = {"name": "Look", EXAMINE: {"reads": reads}, "register": "examined"}
    tell = {"name": "Tell", FINDING: {"check": "shown", "data": {"it": "{{ [examined.found, alone] }}"}}}
    found, by_itself = shown(bench.run(bench.playbook([{"tasks": [alone, look, tell]}])))
    assert found["budget"]["per_pod"] == 5
    assert found["budget"] == {name: by_itself[name] for name in found["budget"]}
    assert (found["rows"]["reachable"], found["rows"]["cause"]) == (False, "refused")


def test_a_later_one_knows_what_an_earlier_one_said(bench: Bench, closed: int) -> None:
    later = {**BUDGET, "args": {**BUDGET["args"], "current": "{{ twice }}", "max_replicas": "{{ omit }}"}}
    found = shown(
        examined(
            bench,
            {"as": "budget", **BUDGET},
            {"as": "again", "vars": {"twice": "{{ found.budget.per_pod * 2 }}"}, **later},
            {"as": "rows", **postgres(closed)},
            {"as": "more", "when": ["found.budget.fits is defined", "found.rows.reachable"], **postgres(closed)},
        )
    )
    assert found["again"]["current"] == 10
    assert found["more"] == {}, "who does not answer is not asked twice"


def test_who_does_not_answer_is_waited_for_beside_the_next(bench: Bench) -> None:
    """The second connection comes while the first still waits."""
    both_wait: list[bool] = []
    done = threading.Event()

    def accept(server: socket.socket) -> None:
        first, _ = server.accept()
        first.recv(1024)
        second, _ = server.accept()
        first.settimeout(0.2)
        with first, second:
            try:
                both_wait.append(first.recv(1) != b"")
            except TimeoutError:
                both_wait.append(True)
            done.wait(20)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        listener = threading.Thread(target=accept, args=(silent,), daemon=True)
        listener.start()
        waits = postgres(silent.getsockname()[1], connect_timeout=3)
        found = shown(examined(bench, {"as": "one", "beside": True, **waits}, {"as": "two", **waits}))
        done.set()
        listener.join(20)
    assert {name: each["cause"] for name, each in found.items()} == {"one": "timeout", "two": "timeout"}
    assert both_wait == [True]


def test_one_that_fails_beside_the_next_is_said(bench: Bench) -> None:
    wrong = {"as": "y", "module": "sql_query", "args": {"query": "?", "qeury": "?"}, "beside": True}
    ran = examined(bench, wrong, {"as": "x", **BUDGET}, ignore_errors=True, show="[examined.msg, examined.found]")
    said, found = shown(ran)
    assert said.startswith("Reading y by sql_query: Unsupported parameters")
    assert found["x"]["per_pod"] == 5


def test_what_a_system_said_is_no_template(bench: Bench) -> None:
    heard = bench.untrusted("heard", "{{ 7 * 7 }}")
    ran = examined(
        bench, {"as": "rows", **postgres(1, query="SELECT 1", args={"line": "{{ heard }}"})}, vars={"heard": heard}
    )
    assert "49" not in str(shown(ran).get("args", ""))
    assert ran.result["outcome"] == "healthy"


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        ([{"as": "x", "module": "pg_terminate_idle"}], "pg_terminate_idle is no module of this collection that only"),
        ([{"as": "x", "module": "finding"}], "finding is no module of this collection that only looks"),
        ([{"as": "x", "module": "../callback/journal"}], "is no module of this collection that only looks"),
        ([{"module": "sql_query"}], "entry 1: it needs as and module"),
        (
            [{"as": "x", "module": "sql_query", "until": 1}],
            "unknown key 'until'; known are args, as, beside, module",
        ),
        ([{"as": "x", "module": "sql_query", "when": "nowhere.at_all"}], "Reading x, entry 1"),
        (
            [{"as": "x", **BUDGET}, {"as": "y", "module": "sql_query", "args": {"query": "?", "qeury": "?"}}],
            "Reading y by sql_query: Unsupported parameters for (brandconnect.incidents.sql_query) module: qeury",
        ),
    ],
    ids=["acts", "records", "elsewhere", "no-name", "unknown-key", "undefined", "wrong-option"],
)
def test_what_makes_no_sense_is_said(bench: Bench, reads: list[Any], said: str) -> None:
    ran = examined(bench, *reads, ignore_errors=True, show="examined.msg")
    assert said in shown(ran)
    assert "Traceback" not in ran.output


def test_no_secret_is_shown(bench: Bench, closed: int) -> None:
    ran = examined(bench, {"as": "rows", **postgres(closed)})
    assert PASSWORD not in ran.output + str(ran.result)


def test_it_only_looks(bench: Bench, closed: int) -> None:
    """It is not on the disk before it begins, as is what can change something."""
    ran = examined(bench, {"as": "rows", **postgres(closed)}, check_mode=True)
    assert shown(ran)["rows"]["reachable"] is False
    assert "changed=0" in ran.output


def test_what_sends_something_to_find_out_is_on_the_disk_before_it_begins(bench: Bench, closed: int) -> None:
    urls = [{"name": "public", "url": f"http://127.0.0.1:{closed}/webhook"}]
    probe = {"as": "probe", "module": "webhook_probe", "args": {"urls": urls}}
    ran = examined(bench, {"as": "rows", **postgres(closed)}, probe)
    found = shown(ran)
    assert (found["rows"]["cause"], found["probe"]["cause"]) == ("refused", "refused")
    assert [step["mutates"] for step in ran.of_type("step_started")] == [True, False]
    looked = Bench(bench.collections, bench.directory / "looks")
    looked.directory.mkdir()
    ran = examined(looked, {"as": "rows", **postgres(closed)})
    assert [step["mutates"] for step in ran.of_type("step_started")] == [False, False]

# SPDX-License-Identifier: GPL-3.0-or-later
"""States of ClickHouse that incidents bring about: made, seen in what the server says, and undone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.clickhouse import part as parts
from incident_runbooks.lab.clickhouse import small_disk, states
from incident_runbooks.lab.clickhouse.client import ClickHouseError, Client
from incident_runbooks.lab.clickhouse.part import ClickHousePart
from incident_runbooks.lab.clickhouse.seed import LEFT_OVER, seed, write_newest
from support.clickhouse import old_program, running, started


@pytest.fixture(scope="module", params=["current", "old"])
def part(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHousePart]:
    program = old_program() if request.param == "old" else None
    with started(tmp_path_factory.mktemp("states"), program) as found:
        seed(found.client)
        yield found


@pytest.fixture
def client(part: ClickHousePart) -> Client:
    return part.client


def is_old(part: ClickHousePart) -> bool:
    return part.program is not None


def months(client: Client, **where: Any) -> list[str]:
    found = client.rows(
        "SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = 'analytics' "
        "AND table = 'metric_snapshots' ORDER BY partition_id"
    )
    return [str(each["partition_id"]) for each in found]


def rows_in(client: Client) -> int:
    return int(client.value("SELECT count() AS n FROM analytics.metric_snapshots"))


def wait_until_none_is_pending(client: Client) -> None:
    deadline = time.monotonic() + 30
    while states.pending_mutations(client):
        assert time.monotonic() < deadline, "mutations are still pending after 30 s"
        time.sleep(0.05)


def test_detached_data_is_out_of_the_table_and_on_the_disk(client: Client, part: ClickHousePart) -> None:
    before, oldest = rows_in(client), months(client)[0]
    states.detach(client, oldest)
    assert oldest not in months(client)
    assert rows_in(client) < before
    assert list(part.data.rglob(f"detached/{oldest}_*")), "still on the disk"
    if not is_old(part):
        assert client.value("SELECT DISTINCT partition_id FROM system.detached_parts") == oldest
    states.attach(client, oldest)
    assert (rows_in(client), months(client)[0]) == (before, oldest)


def test_frozen_data_outlives_its_partition(client: Client, part: ClickHousePart) -> None:
    oldest = months(client)[0]
    states.freeze(client, oldest)
    frozen = [path for path in (part.data / "shadow").rglob(f"{oldest}_*") if path.is_dir()]
    assert frozen
    assert all((each / "checksums.txt").is_file() for each in frozen)


def test_a_mutation_waits_until_it_is_let_go(client: Client) -> None:
    doomed = client.value("SELECT count() AS n FROM analytics.metric_snapshots WHERE clicks = 299")
    assert doomed > 0
    before = rows_in(client)
    waits = states.leave_mutation_pending(client)
    assert states.pending_mutations(client) == [waits]
    assert rows_in(client) == before, "it was answered at once, and nothing is gone"
    states.release(client)
    write_newest(client)  # 18.16 looks for work every 10 s, and after each INSERT
    wait_until_none_is_pending(client)
    assert rows_in(client) == before - doomed + 24


def test_a_mutation_fails_again_and_again(client: Client, part: ClickHousePart) -> None:
    if is_old(part):
        with pytest.raises(RunbookError, match=r"18\.16\.1: it is too old"):
            states.leave_mutation_stuck(client)
        assert states.pending_mutations(client) == []
        return
    before = rows_in(client)
    stuck = states.leave_mutation_stuck(client)
    said = f"SELECT latest_fail_reason AS said FROM system.mutations WHERE mutation_id = '{stuck}'"  # noqa: S608
    deadline = time.monotonic() + 20
    while "Code: 395" not in (reason := client.value(said)):
        assert time.monotonic() < deadline, reason
        time.sleep(0.05)
    assert states.pending_mutations(client) == [stuck]
    states.kill_mutation(client, stuck)
    assert states.pending_mutations(client) == []
    assert rows_in(client) == before


def test_too_many_parts(client: Client, part: ClickHousePart) -> None:
    if is_old(part):
        with pytest.raises(RunbookError, match=r"18\.16\.1: it is too old"):
            states.pile_up_parts(client)
        return
    assert states.pile_up_parts(client) in range(20, 31)
    with pytest.raises(ClickHouseError) as error:
        write_newest(client)
    assert error.value.number == states.TOO_MANY_PARTS
    states.clear_parts(client)
    before = rows_in(client)
    write_newest(client)
    assert rows_in(client) == before + 24


def test_a_disk_is_full_and_afterwards_as_before(tmp_path: Path, part: ClickHousePart) -> None:
    full = parts.lay_out(tmp_path, old_program() if is_old(part) else None)
    client = full.client
    with running(full):
        seed(client)
        before = rows_in(client)
    with running(full, disk_bytes=states.SMALL_DISK):
        assert rows_in(client) == before, "the small disk begins with what was there"
        filled = states.fill_disk(client)
        assert filled.code == (75 if is_old(part) else 243)
        assert rows_in(client) == before + filled.rows
        with pytest.raises(ClickHouseError) as error:
            write_newest(client, rows=5000)
        assert error.value.number in states.NO_SPACE
        if not is_old(part):
            disk = client.rows("SELECT free_space, total_space, path FROM system.disks")[0]
            assert disk["total_space"] == states.SMALL_DISK
            assert disk["free_space"] < 0.05 * disk["total_space"]
    with running(full):
        assert rows_in(client) == before, "it is gone with the process"
        write_newest(client)


def test_a_full_disk_can_be_too_full_to_drop_a_partition(tmp_path: Path) -> None:
    with started(tmp_path, disk_bytes=states.SMALL_DISK) as part:
        client = part.client
        seed(client)
        filled_month = months(client)[1 if len(months(client)) == 7 else 2]
        states.fill_disk(client, smallest=20_000)
        drop = f"ALTER TABLE {states.TABLE} DROP PARTITION ID '{{}}'"
        client.run(drop.format(months(client)[0]))
        write_newest(client)
        states.fill_disk(client)
        with pytest.raises(ClickHouseError) as error:
            client.run(drop.format(filled_month))
        assert error.value.number == 243
        client.run(f"DROP TABLE {LEFT_OVER} SYNC")
        client.run(drop.format(filled_month))
        write_newest(client)
        free = client.value("SELECT free_space FROM system.disks")
        assert free > 0.8 * states.SMALL_DISK, "the engine gives the space of what is dropped back at once"


def test_a_machine_without_namespaces_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_disk.possible.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        with pytest.raises(RunbookError, match="no ordinary user mount") as error:
            small_disk.around(["true"], tmp_path / "data", 1)
        assert "user namespaces" in (error.value.hint or "")
    finally:
        small_disk.possible.cache_clear()

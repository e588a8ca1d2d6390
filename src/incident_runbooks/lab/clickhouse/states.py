# SPDX-License-Identifier: GPL-3.0-or-later
"""States of ClickHouse that incidents bring about, made by what really brings them about, and undone again.

A mutation that is stuck and too many parts are for the current engine: 18.16 can neither end a mutation nor lower its
limit of 300 parts, and delays each INSERT from the 150th on. A small disk is :mod:`.small_disk`.
"""

from __future__ import annotations

from dataclasses import dataclass

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.clickhouse.client import ClickHouseError, Client
from incident_runbooks.lab.clickhouse.seed import write_newest

TABLE = "analytics.metric_snapshots"
SMALL_DISK = 64 * 1024 * 1024
# A full disk: the server reserves what it will write (243), or finds out while it writes (75: errno 28, in 18.16)
NO_SPACE = frozenset({75, 243})
TOO_MANY_PARTS = 252

_ROW_BYTES = 200  # of random letters: they take as much on disk
_ROWS_AT_FIRST = 20_000
_CURRENT = 20
_OF_TABLE = "database = '{}' AND table = '{}'".format(*TABLE.split("."))


@dataclass(frozen=True)
class Filled:
    """What a disk took before it was full.

    Attributes:
        rows: which were written.
        code: of the last refusal.
    """

    rows: int
    code: int


def fill_disk(client: Client, *, months_ago: int = 5, smallest: int = 200) -> Filled:
    """Write rows into an old month until the disk has no room for the next INSERT.

    Merges stop meanwhile and stay stopped: otherwise one of them could free some of it again. With less than 1 MiB
    left, 26.9 refuses to drop a partition too: an empty part has to take its place. A larger *smallest* leaves room.

    Args:
        client: of a server with a small disk.
        months_ago: which month gets them.
        smallest: rows of the smallest INSERT that does not fit, of some 200 bytes each.

    Raises:
        RunbookError: the server refuses for another reason.
    """
    client.run("SYSTEM STOP MERGES")
    written, rows, code = 0, _ROWS_AT_FIRST, 0
    # two random numbers of 64 bits in hexadecimal are 32 letters of 4 bits; compression leaves half
    letters = ", ".join(f"hex(reinterpretAsString(rand64({number})))" for number in range(_ROW_BYTES // 16 * 2))
    while rows >= smallest:
        try:
            client.run(
                f"INSERT INTO {TABLE} SELECT 'meta', 1, 1, 1, 1, concat({letters}), subtractMonths(now(), {months_ago})"  # noqa: S608 - constants, numbers
                f" FROM (SELECT number FROM system.numbers LIMIT {rows})"
            )
            written += rows
        except ClickHouseError as error:
            if error.number not in NO_SPACE:
                raise
            code, rows = error.number, rows // 4
    return Filled(written, code)


def hold_mutations(client: Client) -> None:
    """Let merges and mutations of the metrics wait; :func:`release` undoes it."""
    client.run(f"SYSTEM STOP MERGES {TABLE}")


def release(client: Client) -> None:
    """Undo :func:`hold_mutations`, and what :func:`fill_disk` and :func:`pile_up_parts` stopped."""
    client.run("SYSTEM START MERGES")
    client.run(f"SYSTEM START MERGES {TABLE}")


def leave_mutation_pending(client: Client, where: str = "clicks = 299") -> str:
    """Delete rows by a mutation that waits, and return its id.

    Args:
        client: of the server.
        where: which rows; they are gone once :func:`release` lets it go on.
    """
    hold_mutations(client)
    return _mutate(client, where)


def leave_mutation_stuck(client: Client) -> str:
    """Begin a mutation that fails each time that it is tried, and return its id; :func:`kill_mutation` ends it.

    ``latest_fail_reason`` of system.mutations says why, a moment later.

    Raises:
        RunbookError: the server is an old one.
    """
    _refuse_old(client, "Leaving a mutation stuck")
    return _mutate(client, "throwIf(clicks < 300) = 1")  # all have fewer


def kill_mutation(client: Client, mutation_id: str) -> None:
    """End a mutation that is not done, of the current engine.

    Raises:
        RunbookError: the server is an old one.
    """
    _refuse_old(client, "Ending a mutation")
    client.run(f"KILL MUTATION WHERE {_OF_TABLE} AND mutation_id = '{mutation_id}' SYNC")


def pending_mutations(client: Client) -> list[str]:
    """Return the ids of the mutations that are not done."""
    found = client.rows(f"SELECT mutation_id FROM system.mutations WHERE {_OF_TABLE} AND is_done = 0 ORDER BY 1")  # noqa: S608 - constants
    return [str(each["mutation_id"]) for each in found]


def pile_up_parts(client: Client, limit: int = 30) -> int:
    """Insert a row at a time with merges stopped, until the server refuses; return how many it took.

    Args:
        client: of the current engine.
        limit: parts of a partition that are too many.

    Raises:
        RunbookError: the server is an old one, never refuses, or for another reason.
    """
    _refuse_old(client, "Piling up parts")
    hold_mutations(client)
    client.run(f"ALTER TABLE {TABLE} MODIFY SETTING parts_to_delay_insert = {limit}, parts_to_throw_insert = {limit}")
    for taken in range(limit + 1):
        try:
            write_newest(client, rows=1)
        except ClickHouseError as error:
            if error.number != TOO_MANY_PARTS:
                raise
            return taken
    raise RunbookError(f"Inserting into {TABLE} of the lab's ClickHouse: {limit} parts are not too many for it")


def clear_parts(client: Client) -> None:
    """Undo :func:`pile_up_parts`: one part for each partition."""
    release(client)
    client.run(f"ALTER TABLE {TABLE} RESET SETTING parts_to_delay_insert, parts_to_throw_insert")
    client.run(f"OPTIMIZE TABLE {TABLE} FINAL")


def detach(client: Client, partition_id: str) -> None:
    """Take a partition out of the table, and leave its data on the disk; :func:`attach` undoes it."""
    client.run(f"ALTER TABLE {TABLE} DETACH PARTITION ID '{partition_id}'")


def attach(client: Client, partition_id: str) -> None:
    """Undo :func:`detach`."""
    client.run(f"ALTER TABLE {TABLE} ATTACH PARTITION ID '{partition_id}'")


def freeze(client: Client, partition_id: str) -> None:
    """Make a local copy of a partition, by hard links below ``shadow/``, as a backup that nobody took away does."""
    client.run(f"ALTER TABLE {TABLE} FREEZE PARTITION ID '{partition_id}'")


def _mutate(client: Client, where: str) -> str:
    before = set(pending_mutations(client))
    client.run(f"ALTER TABLE {TABLE} DELETE WHERE {where}")
    found = sorted(set(pending_mutations(client)) - before)
    if not found:
        raise RunbookError(f"Deleting from {TABLE} of the lab's ClickHouse where {where}: it was done at once")
    return found[-1]


def _refuse_old(client: Client, what: str) -> None:
    version = str(client.value("SELECT version() AS version"))
    if int(version.partition(".")[0]) < _CURRENT:
        raise RunbookError(f"{what} in the lab's ClickHouse {version}: it is too old for that")

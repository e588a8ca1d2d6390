# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of containers: written line by line with their time, and read in part."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from incident_runbooks.lab.cluster.cluster import LogOptions
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import PODS
from incident_runbooks.lab.cluster.runtime import log_files
from incident_runbooks.lab.cluster.runtime.log_files import LogFile
from support.node import Running, container, in_cluster, shell


def read(log: LogFile, **options: object) -> str:
    async def collect() -> bytes:
        return b"".join([chunk async for chunk in log_files.read(log, LogOptions(**options))])  # type: ignore[arg-type]

    return asyncio.run(collect()).decode()


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "0.log")


def test_a_line_of_the_file_is_that_of_a_cri_runtime(log: LogFile) -> None:
    log.write(log_files.STDERR, b"one\ntw")
    log.write(log_files.STDERR, b"o\n")
    lines = log.path.read_text().splitlines()
    assert [line[31:] for line in lines] == ["stderr F one", "stderr F two"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", lines[0][:30])
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_streams_do_not_mix_within_a_line(log: LogFile) -> None:
    log.write(log_files.STDOUT, b"out")
    log.write(log_files.STDERR, b"err\n")
    log.write(log_files.STDOUT, b"put\n")
    assert read(log) == "err\noutput\n"


def test_a_line_without_end_keeps_its_text(log: LogFile) -> None:
    long = "y" * 50_000
    log.write(log_files.STDOUT, f"{long}\nlast".encode())
    log.write(log_files.STDOUT, b"x" * 40_000)
    log.close()
    assert read(log) == long + "\nlast" + "x" * 40_000


@pytest.mark.parametrize("lines", [0, 1, 7, 3000, 5000, 9000])
def test_tail_counts_from_the_end(log: LogFile, lines: int) -> None:
    every = [f"line {number} {'z' * (number % 90)}\n" for number in range(5000)]
    log.write(log_files.STDOUT, "".join(every).encode())
    assert read(log, tail_lines=lines) == "".join(every[max(0, len(every) - lines) :] if lines else [])


def test_since_finds_the_first_line(log: LogFile) -> None:
    log.write(log_files.STDOUT, b"early\n" * 3000)
    time.sleep(0.02)
    between = dt.datetime.now(dt.UTC)
    time.sleep(0.02)
    log.write(log_files.STDOUT, b"late 1\nlate 2\n")
    assert read(log, since_time=between) == "late 1\nlate 2\n"
    assert read(log, since_time=between, tail_lines=1) == "late 2\n"
    assert read(log, since_time=between, tail_lines=10) == "late 1\nlate 2\n"
    assert read(log, since_time=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)) == ""
    assert read(log, since_time=between - dt.timedelta(hours=1)).count("\n") == 3002
    assert read(log, since_seconds=60).count("\n") == 3002


def test_since_finds_every_border(log: LogFile) -> None:
    for number in range(40):
        log.write(log_files.STDOUT, b"w" * (number * 37 % 200) + b"\n")
        time.sleep(0.0005)
    stamps = [line[:30] for line in log.path.read_bytes().splitlines()]
    with log.path.open("rb") as file:
        size = log.path.stat().st_size
        for stamp in stamps:
            file.seek(log_files._first_since(file, size, stamp))
            assert file.read(30) == stamp


def test_times_never_go_back(log: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    instants = iter([5_000_000_000, 3_000_000_000, 7_000_000_000])
    monkeypatch.setattr(log_files.time, "time_ns", lambda: next(instants))
    for _ in range(3):
        log.write(log_files.STDOUT, b"x\n")
    assert [line[17:19] for line in log.path.read_text().splitlines()] == ["05", "05", "07"]


def test_bytes_are_limited_with_what_is_shown(log: LogFile) -> None:
    log.write(log_files.STDOUT, b"0123456789\n" * 20_000)
    assert read(log, limit_bytes=15) == "0123456789\n0123"
    assert len(read(log, limit_bytes=100_000)) == 100_000
    assert re.fullmatch(r"\d{4}-.{24}Z 0123", read(log, limit_bytes=35, timestamps=True))


def test_timestamps_stand_before_each_line(log: LogFile) -> None:
    log.write(log_files.STDOUT, b"one\ntwo\n")
    for line in read(log, timestamps=True).splitlines():
        assert re.fullmatch(r"\S{30} (one|two)", line)


@in_cluster
async def test_follow_ends_with_the_container(cluster: Running) -> None:
    cluster.pod("job", shell("for i in 1 2 3; do echo $i; sleep 0.05; done"), restartPolicy="Never")
    await cluster.until(lambda: cluster.state("job").get("containerID"))
    async with asyncio.timeout(10):
        assert await cluster.logs("job", follow=True) == "1\n2\n3\n"


@in_cluster
async def test_follow_shows_a_line_when_it_comes(cluster: Running) -> None:
    cluster.pod("web-1", shell("echo ready; until test -e go; do sleep 0.05; done; echo went; exec sleep 1d"))
    await cluster.ready("web-1")
    stream: AsyncIterator[bytes] = cluster.kubelet.logs(cluster.get(PODS, "web-1"), None, LogOptions(follow=True))
    assert await anext(stream) == b"ready\n"
    assert await cluster.exec("web-1", "touch", "go") == (0, "", "")
    async with asyncio.timeout(10):
        assert await anext(stream) == b"went\n"


@in_cluster
async def test_a_fast_writer_loses_nothing_and_holds_nobody_up(cluster: Running) -> None:
    script = "i=0; while [ $i -lt 40 ]; do seq 1 20000; i=$((i+1)); done; echo end >&2"
    cluster.pod("fast", shell(script), restartPolicy="Never")
    cluster.pod("other", container())
    await cluster.ready("other")
    await cluster.until(lambda: cluster.get(PODS, "fast")["status"]["phase"] == "Succeeded")
    said = await cluster.logs("fast")
    assert said.count("\n") == 40 * 20_000 + 1
    assert said.endswith("end\n")
    assert await cluster.logs("fast", tail_lines=2) == "20000\nend\n"


@in_cluster
async def test_only_the_present_and_the_previous_log_are_kept(cluster: Running) -> None:
    script = (
        "n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; echo run $n; [ $n -ge 4 ] && exec sleep 1d; exit 1"
    )
    cluster.pod("web-1", shell(script))
    await cluster.until(lambda: cluster.state("web-1").get("restartCount") == 3 and cluster.state("web-1")["ready"])
    assert await cluster.logs("web-1", previous=True) == "run 3\n"
    folder = next((cluster.cluster.directory / "logs").glob("shop_web-1_*/web"))
    assert len(list(folder.iterdir())) == 2


@in_cluster
async def test_without_a_previous_instance_there_is_no_previous_log(cluster: Running) -> None:
    cluster.pod("web-1", container())
    await cluster.ready("web-1")
    with pytest.raises(ApiError, match=r'^previous terminated container "web" in pod "web-1" not found$') as refused:
        await cluster.logs("web-1", previous=True)
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")


@in_cluster
async def test_a_container_must_be_named_where_there_are_several(cluster: Running) -> None:
    cluster.pod("web-1", container(), {**container(), "name": "sidecar"})
    await cluster.ready("web-1")
    with pytest.raises(
        ApiError, match=r"^a container name must be specified for pod web-1, choose one of: \[web sidecar\]$"
    ):
        await cluster.logs("web-1")
    with pytest.raises(ApiError, match=r"^container nope is not valid for pod web-1$"):
        await cluster.logs("web-1", "nope")
    assert await cluster.logs("web-1", "sidecar") == ""


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CRASH_BACKOFF_S", "0.05")

# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What is to be collected after a suspected breach, and what its parts are called. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.bundle import PART, line_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

ATTEMPTED = "Preserving evidence"
KUBERNETES, AUDIT, DUMP, REDIS, PROMETHEUS = SOURCES = ("kubernetes", "audit", "dump", "redis", "prometheus")
NEED_SINCE = (AUDIT, PROMETHEUS)
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    KUBERNETES: {"logs": True, "log_limit_bytes": 2**30, "max_parallel": 8},
    AUDIT: {"schema": "public", "table": "audit_logs", "time_column": "created_at", "id_column": "id"},
    DUMP: {"tables": [], "program": "pg_dump"},
    REDIS: {"pattern": "sess:*", "max_keys": 100_000},
    PROMETHEUS: {"queries": {}, "step_s": 60},
}
BOUNDS = {
    (KUBERNETES, "log_limit_bytes"): (1024, 2**50),
    (KUBERNETES, "max_parallel"): (1, 64),
    (REDIS, "max_keys"): (1, 1_000_000),
    (PROMETHEUS, "step_s"): (1, 86_400),
}
MOST_TABLES, MOST_QUERIES, MOST_GAPS_SHOWN = 200, 100, 50
LARGEST_SHARE = 0.5  # of the free space, for what the database gives
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}\.[A-Za-z_][A-Za-z0-9_$]{0,62}")
_QUERY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_UNFIT = re.compile(r"[^A-Za-z0-9._+=@-]")


def options_of(params: Mapping[str, Any], source: str) -> Json:
    """The options of one source, with the defaults of those that are not given.

    Raises:
        IncidentsError: one makes no sense.
    """
    given = {name: value for name, value in (params.get(source) or {}).items() if value is not None}
    options = {**DEFAULTS[source], **given}
    for (owner, name), (least, most) in BOUNDS.items():
        if owner == source and not least <= options[name] <= most:
            raise IncidentsError(f"{ATTEMPTED}: {source}.{name} must be {least} to {most}, not {options[name]}")
    return options


def checked(params: Mapping[str, Any], now: dt.datetime) -> tuple[dt.datetime | None, dt.datetime]:
    """Refuse options that make no sense; return the beginning and the end of the time that matters.

    Raises:
        IncidentsError: naming the option.
    """
    sources = params["sources"]
    _check_bundle(params)
    since = _instant("since", params["since"]) if params["since"] else None
    until = _instant("until", params["until"]) if params["until"] else now
    wanting = [source for source in sources if source in NEED_SINCE]
    if wanting and since is None:
        raise IncidentsError(f"{ATTEMPTED}: since is needed for {' and '.join(wanting)}; give an instant as RFC 3339")
    if since is not None and since >= until:
        raise IncidentsError(f"{ATTEMPTED}: since must be before until")
    for source in sources:
        options = options_of(params, source)
        if source == DUMP:
            _check_dump(options, params["encrypt_to"])
        if source == PROMETHEUS:
            _check_queries(options["queries"])
        if source == REDIS and not options["pattern"]:
            raise IncidentsError(f"{ATTEMPTED}: redis.pattern is empty; give one such as sess:*")
    return since, until


def _check_bundle(params: Mapping[str, Any]) -> None:
    if not params["sources"]:
        raise IncidentsError(f"{ATTEMPTED}: sources is empty; name one of {', '.join(SOURCES)}")
    if not _NAME.fullmatch(params["name"]):
        raise IncidentsError(f"{ATTEMPTED}: name must be lower-case letters, digits, dots, dashes and underscores")
    for name in ("max_bytes", "source_timeout"):
        if params[name] < 1:
            raise IncidentsError(f"{ATTEMPTED}: {name} must be 1 or more")
    for name in ("incident", "custodian"):
        if not str(params[name]).strip():
            raise IncidentsError(f"{ATTEMPTED}: {name} is empty; say whose evidence it is")


def _check_dump(options: Mapping[str, Any], recipients: Iterable[str]) -> None:
    tables = options["tables"]
    if not recipients:
        raise IncidentsError(f"{ATTEMPTED}: a dump holds personal data, so encrypt_to is needed: age recipients")
    if not tables or len(tables) > MOST_TABLES:
        raise IncidentsError(f"{ATTEMPTED}: dump.tables must name 1 to {MOST_TABLES} tables, each as schema.table")
    wrong = [table for table in tables if not _TABLE.fullmatch(str(table))]
    if wrong:
        raise IncidentsError(f"{ATTEMPTED}: {line_of(str(wrong[0]), 80)!r} in dump.tables is not schema.table")


def _check_queries(queries: Mapping[str, Any]) -> None:
    if len(queries) > MOST_QUERIES:
        raise IncidentsError(f"{ATTEMPTED}: prometheus.queries has more than {MOST_QUERIES} queries")
    for name, query in queries.items():
        if not _QUERY.fullmatch(str(name)) or not isinstance(query, str) or not query.strip():
            raise IncidentsError(
                f"{ATTEMPTED}: {line_of(str(name), 64)!r} in prometheus.queries must be a name with PromQL"
            )


def _instant(option: str, text: Any) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(str(text).strip())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        example = "such as 2026-11-23T21:40:00Z"
        raise IncidentsError(f"{ATTEMPTED}: {option} must be an instant with its time zone, as RFC 3339, {example}")
    return moment.astimezone(dt.UTC)


def part_of_path(name: str) -> str:
    """A name of a system's own as a part of a path in a bundle. Two names never become one."""
    fit = _UNFIT.sub("_", name)[:120].replace(PART, f"_{PART[1:]}")  # that is what half a file is called
    if fit == name and fit and not fit.startswith("."):
        return fit
    return f"{fit.lstrip('.') or '_'}-{_short_hash(name)}"


def refused_path(path: str) -> str:
    """Where it is said that something has a path that no bundle can hold."""
    return f"{part_of_path(path.partition('/')[0])}/refused-{_short_hash(path)}"


def _short_hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def life_of(pod: Mapping[str, Any], container: str) -> Json:
    """Of which image, and of which life, a container's log is."""
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for state in status.get(kind) or []:
            if state.get("name") == container:
                names = {"image": "image", "image_id": "imageID", "container_id": "containerID"}
                return {
                    **{ours: state.get(theirs) for ours, theirs in names.items()},
                    "restarts": state.get("restartCount"),
                }
    return {}


def another_life(before: Mapping[str, Any], now: Mapping[str, Any] | None, container: str) -> str | None:
    """Why a log that was read by name may be of something else; ``None`` when it is of what was there before.

    Args:
        before: the pod when the logs were listed.
        now: the pod of that name when the log had been read; ``None`` without one.
        container: its container.
    """
    if now is None:
        return "the pod was gone when its log had been read, so nobody can say that it is whole"
    if before["metadata"].get("uid") != now["metadata"].get("uid"):
        return "another pod had that name when the log had been read"
    old, new = life_of(before, container), life_of(now, container)
    if (old.get("restarts") or 0) != (new.get("restarts") or 0):
        return f"the container was started again: {old.get('restarts')} restarts, then {new.get('restarts')}"
    if old.get("container_id") and old["container_id"] != new.get("container_id"):  # none: it was not started yet
        return "another container was there when the log had been read"
    return None


def looked_path(source: str) -> str:
    """Where it is said of a source that has given something that it could not be looked at to the end.

    No item has this name: a query of Prometheus has no dash in it, and what a database gives another ending.
    """
    folder = {KUBERNETES: "k8s/", PROMETHEUS: "prom/", REDIS: "redis/", AUDIT: "db/", DUMP: "db/dump-"}[source]
    return f"{folder}looked-at.json"


def source_of(path: str) -> str:
    """Which source a path inside a bundle comes from."""
    folder, _, rest = path.partition("/")
    if folder == "db":
        return DUMP if rest.startswith("dump") else AUDIT
    return {"prom": PROMETHEUS, "redis": REDIS}.get(folder, KUBERNETES)


def gaps_facts(rows: Iterable[Mapping[str, Any]]) -> Json:
    """What is said of ids that are missing between rows that are there.

    Args:
        rows: the longest gaps, each ``after``, ``before`` and ``missing``, with ``gaps`` and ``total`` of all of them.
    """
    found = list(rows)
    shown = [{name: int(row[name]) for name in ("after", "before", "missing")} for row in found[:MOST_GAPS_SHOWN]]
    return {
        "checked": True,
        "gaps": int(found[0]["gaps"]) if found else 0,
        "missing_ids": int(found[0]["total"]) if found else 0,
        "longest": shown,
        "note": "ids are missing where rows were deleted, and where a transaction was rolled back",
    }


def rows_problem(rows: int, counted: int) -> str | None:
    """Why rows that were copied are not all; ``None`` when they are."""
    return None if rows == counted else f"{rows} rows were copied, and count(*) in the same snapshot says {counted}"


def space_problem(size: int, free: int) -> str | None:
    """Why something must not be copied to a disk; ``None`` when there is room."""
    if size <= free * LARGEST_SHARE:
        return None
    return (
        f"up to {size} bytes, and {free} are free; half of that is taken at most, so give a larger disk or fewer tables"
    )


def images_of(pods: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Which image each container runs, with the digest that the node pulled."""
    found: list[Json] = []
    for pod in pods:
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        for kind in ("initContainers", "containers", "ephemeralContainers"):
            states = {state.get("name"): state for state in status.get(f"{kind[:-1]}Statuses") or []}
            for container in spec.get(kind) or []:
                state = states.get(container.get("name")) or {}
                said = {"pod": pod["metadata"].get("name"), "uid": pod["metadata"].get("uid"), "kind": kind}
                images = {"image": container.get("image"), "image_id": state.get("imageID") or None}
                said |= {"container": container.get("name"), **images, "container_id": state.get("containerID")}
                found.append(said)
    return found


def planned(sources: Iterable[Mapping[str, Any]]) -> Json:
    """What is said in check mode of what would be collected."""
    found = list(sources)
    files = sum(int(source["items"]) for source in found)
    size = sum(int(source["estimate_bytes"] or 0) for source in found)
    reason = f"{files} files would be collected, the database about {size} bytes"
    failed = [{"source": each["source"], "path": None, "error": each["error"]} for each in found if each["error"]]
    caveats = [f"{entry['source']} cannot be collected now: {entry['error']}" for entry in failed]
    counts = {"files_total": files, "bytes_total": size}
    return {"status": "planned", "reason": reason, "missing": failed, "caveats": caveats, **counts}


def told(manifest: Mapping[str, Any], *, finished: bool) -> Json:
    """What is said of a bundle.

    Args:
        manifest: its ``MANIFEST.json``.
        finished: whether it was before this run.
    """
    failed = [
        {"source": source_of(entry["name"]), "path": entry["name"], "error": entry["error"]}
        for entry in manifest["failed"]
    ]
    truncated = [entry["path"] for entry in manifest["files"] if entry["truncated"] and not entry["error"]]
    reason = f"{len(manifest['files'])} files preserved, {manifest['bytes']} bytes"
    caveats = [f"PARTIAL: {entry['path']} could not be collected: {entry['error']}" for entry in failed[:10]]
    caveats += [f"{len(failed) - 10} more could not be collected"] if len(failed) > 10 else []  # noqa: PLR2004 - as above
    caveats += [f"{len(truncated)} files were cut off, among them {truncated[0]}"] if truncated else []
    if failed:
        reason = f"PARTIAL: {reason}; {len(failed)} could not be collected, among them {failed[0]['path']}"
    status = "partial" if failed else "done"
    if finished:
        status, reason = "nothing_to_do", f"this bundle was finished at {manifest['finished_at']}: {reason}"
    result: Json = {"status": status, "reason": reason, "missing": failed, "truncated": truncated, "caveats": caveats}
    return result | ({"warnings": [f"The evidence is incomplete. {reason}"]} if failed else {})

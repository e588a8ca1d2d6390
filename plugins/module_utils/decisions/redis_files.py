# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What is run in a pod of Redis to look at its files, and what the output says. Pure, no I/O.

The scripts are fixed; what varies is handed to them as arguments and never read by the shell. They run in any
``/bin/sh``, that of BusyBox too. A password is taken from the container's own environment and stays in it.
https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_info import refusal_text

MOST_FILES = 200
TEXT_LENGTH = 300
NAMES = ("dir", "dbfilename", "appendonly", "appendfilename", "appenddirname")
NO_MEMORY, NO_PROGRAM = 121, 127
KILLED = 128  # and the number of the signal
LIMITS = "/sys/fs/cgroup"  # of the container, with version 2 of control groups

Json = dict[str, Any]

_RDB_ERROR = "--- RDB ERROR DETECTED ---"
# what says that a file is not in order; that it cannot be opened says so only where it is not there
_DAMAGED = re.compile(r"not valid|not sane|format error|Invalid|Cannot open file.{0,1000}: No such file")
_ADVICE = " Use the --fix option to try fixing it."  # it cuts off data; nobody is to follow it on the only file

# $1 the folder, or nothing to ask for it; $2 the pod's address; $3 the port; then the names of settings
_LIST = """\
dir=$1; pod=$2; port=$3; shift 3
: "${REDISCLI_AUTH:=${REDIS_PASSWORD:-}}"
if [ -n "$REDISCLI_AUTH" ]; then export REDISCLI_AUTH; else unset REDISCLI_AUTH; fi
ask() {
  if ! command -v timeout > /dev/null; then redis-cli -e "$@" 2>&1; return; fi
  timeout 2 redis-cli -e "$@" 2>&1 || { code=$?; [ "$code" -ne 124 ] || echo 'no answer within 2 s'; return "$code"; }
}
host=
for each in 127.0.0.1 "$pod"; do
  said=$(ask -h "$each" -p "$port" PING) && { host=$each; break; }
  case $said in *LOADING*|*MISCONF*|*MASTERDOWN*|*NOPERM*) host=$each; break;; esac
done
[ -n "$host" ] || printf 'refused\\t%s\\n' "$(printf '%s' "$said" | head -n 1)"
for name in "$@"; do
  [ -n "$host" ] || break
  said=$(ask -h "$host" -p "$port" --raw CONFIG GET "$name") || {
    printf 'refused\\t%s\\n' "$(printf '%s' "$said" | head -n 1)"; break; }
  value=$(printf '%s\\n' "$said" | sed -n 2p)
  [ -z "$said" ] || printf 'setting\\t%s\\t%s\\n' "$name" "$value"
  if [ "$name" = dir ] && [ -z "$dir" ]; then dir=$value; fi
done
[ -n "$dir" ] || exit 0
[ -d "$dir" ] || { printf 'absent\\t%s\\n' "$dir"; exit 0; }
printf 'folder\\t%s\\n' "$dir"
set -f; set -- $(df -Pk "$dir" 2>/dev/null | sed -n 2p); set +f
[ $# -lt 6 ] || printf 'disk\\t%s\\t%s\\n' "$2" "$4"
for file in "$dir"/* "$dir"/*/*; do
  if [ -f "$file" ] && [ ! -L "$file" ]; then stat -c 'file\t%s\t%Y\t%n' -- "$file" || exit 1; fi
done
"""
# $1 the program; $2 the file; $3 its size in bytes; $4 the folder with the limits of the container
# Without --fix the programs only read. They need memory for the largest value, which counts as the container's: where
# that is short the kernel would kill Redis, so that nothing is begun then, and the program is the first to be killed.
_CHECK = f"""\
program=$1; file=$2; size=$3; limits=$4
command -v "$program" > /dev/null || exit {NO_PROGRAM}
most=$(cat "$limits/memory.max" 2>/dev/null)
used=$(sed -n 's/^anon //p' "$limits/memory.stat" 2>/dev/null)
case $most in ''|*[!0-9]*) ;; *) [ $((most - ${{used:-$most}})) -gt $((size * 2)) ] || exit {NO_MEMORY};; esac
echo 1000 2>/dev/null > /proc/self/oom_score_adj
exec "$program" "$file" < /dev/null
"""


def list_command(directory: str, pod_ip: str, port: int) -> list[str]:
    """Return the command that tells settings, disk and files.

    Args:
        directory: of the files; empty to ask Redis for it.
        pod_ip: where Redis may listen too.
        port: where it listens.
    """
    return ["/bin/sh", "-c", _LIST, "redis-files", directory, pod_ip or "127.0.0.1", str(port), *NAMES]


def check_command(target: Mapping[str, Any], limits: str = LIMITS) -> list[str]:
    """Return the command that checks *target*, one of :func:`check_targets`, where it is. It only reads."""
    return ["/bin/sh", "-c", _CHECK, "redis-check", target["program"], target["file"], str(target["bytes"]), limits]


def read_listing(output: str) -> Json:
    """Return what :func:`list_command` printed.

    Returns:
        ``settings``, ``refused`` (the text of a refusal), ``directory``, ``absent`` (whether that is not there),
        ``disk`` and ``files``, the newest first, each with ``name`` below the directory, ``bytes`` and
        ``modified_at``.
    """
    found: Json = {"settings": {}, "refused": None, "directory": None, "absent": False, "disk": None, "files": []}
    for line in output.splitlines():
        kind, *parts = line.split("\t")
        if kind == "setting" and len(parts) == 2 and parts[0] in NAMES:  # noqa: PLR2004 - name and value
            found["settings"][parts[0]] = plain_line(parts[1], TEXT_LENGTH)
        elif kind == "refused" and parts:
            found["refused"] = mask(refusal_text(parts[0], TEXT_LENGTH)) or "no explanation given"
        elif kind in {"folder", "absent"} and parts:
            found |= {"directory": parts[0], "absent": kind == "absent"}
        elif kind == "disk" and len(parts) == 2 and all(part.isdigit() for part in parts):  # noqa: PLR2004
            found["disk"] = _disk(*(int(part) * 1024 for part in parts))
        elif kind == "file" and (file := _file(parts, found["directory"] or "")):
            found["files"].append(file)
    found["files"].sort(key=lambda each: (each["modified_at"], each["name"]), reverse=True)
    return found


def check_targets(listing: Mapping[str, Any]) -> list[Json]:
    """Return what can be checked: snapshots, and append-only files, since Redis 7 a folder with a manifest."""
    settings, directory, files = listing["settings"], listing["directory"], listing["files"]
    snapshot = settings.get("dbfilename", "dump.rdb")
    log = settings.get("appendfilename", "appendonly.aof")
    folder = settings.get("appenddirname", "appendonlydir")
    found = []
    for file in files:
        name = file["name"]
        whole = {"name": name, "bytes": file["bytes"], "file": posixpath.join(directory, name)}
        if name == snapshot:
            found.append({**whole, "kind": "rdb", "program": "redis-check-rdb"})
        elif name == log:
            found.append({**whole, "kind": "aof", "program": "redis-check-aof"})
        elif name == f"{folder}/{log}.manifest":
            size = sum(each["bytes"] for each in files if each["name"].startswith(f"{folder}/"))
            found.append({**whole, "bytes": size, "kind": "aof", "program": "redis-check-aof"})
    return found


def read_check(target: Mapping[str, Any], exit_code: int | None, output: str, message: str | None) -> Json:
    """Return what a check found.

    Args:
        exit_code: of the command; ``None`` when nobody knows it.
        output: what it printed.
        message: why there is no exit code.

    Returns:
        ``name``, ``kind``, ``bytes``; ``ok``, ``None`` when it could not be checked; ``reason``, what the program said
        of it, or why it could not be checked. Names of keys, which may be those of sessions, are not in it.
    """
    about = {name: target[name] for name in ("name", "kind", "bytes")}
    unchecked = {
        NO_MEMORY: "the container has not twice its size left of its memory, and a check might get Redis killed",
        NO_PROGRAM: f"{target['program']} is not in the container",
    }
    if exit_code is None:
        return {**about, "ok": None, "reason": message or "how it ended is not known"}
    if exit_code in unchecked:
        return {**about, "ok": None, "reason": unchecked[exit_code]}
    if exit_code > KILLED:
        return {**about, "ok": None, "reason": f"{target['program']} was ended by signal {exit_code - KILLED}"}
    # after its mark come the error, and then the key at which it was found
    told, _, error = output.partition(_RDB_ERROR)
    said = [line for each in told.splitlines() if (line := plain_line(each, TEXT_LENGTH))]
    found = [line for each in error.splitlines() if (line := plain_line(each, TEXT_LENGTH))][:1]
    damage = found or [line for line in said if _DAMAGED.search(line)][-1:]
    words = (damage if exit_code else []) or said[-1:] or [f"it ended with exit code {exit_code}"]
    ok = True if exit_code == 0 else False if damage else None
    return {**about, "ok": ok, "reason": mask(words[0].removesuffix(_ADVICE))}


def claims_of(pods: Sequence[Mapping[str, Any]], container: str | None) -> list[Json]:
    """Return the volume claims that the pods' containers mount, each with ``name``, ``pod`` and ``mount_path``."""
    found = []
    for pod in pods:
        spec = pod.get("spec") or {}
        names = {
            each["name"]: each["persistentVolumeClaim"]["claimName"]
            for each in spec.get("volumes") or ()
            if each.get("persistentVolumeClaim")
        }
        for each in spec.get("containers") or ():
            if container in {None, each.get("name")}:
                found += [
                    {"name": names[mount["name"]], "pod": pod["metadata"]["name"], "mount_path": mount.get("mountPath")}
                    for mount in each.get("volumeMounts") or ()
                    if mount.get("name") in names
                ]
    return found


def running_pod(pods: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return a pod in which a command may run although none is Ready."""
    for pod in pods:
        status = pod.get("status") or {}
        if any((each.get("state") or {}).get("running") for each in status.get("containerStatuses") or ()):
            return pod
    return None


def _disk(total: int, available: int) -> Json:
    ratio = round(1 - available / total, 4) if total else None
    return {"total_bytes": total, "available_bytes": available, "used_ratio": ratio}


def _file(parts: Sequence[str], directory: str) -> Json | None:
    if len(parts) != 3 or not parts[0].isdigit() or not re.fullmatch(r"\d{1,11}", parts[1]):  # noqa: PLR2004
        return None
    name = posixpath.relpath(parts[2], directory or "/")
    moment = dt.datetime.fromtimestamp(int(parts[1]), dt.UTC)
    return {"name": name, "bytes": int(parts[0]), "modified_at": moment}

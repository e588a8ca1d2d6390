# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages unpacked into the user's cache: nothing is installed, no service is started, no root is needed.

A package's folder is made once, in one step, and never changed: labs on one machine share it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import platformdirs

from incident_runbooks.errors import RunbookError

_APT_S = 120.0
_ENVIRON = {"LC_ALL": "C", "LANG": "C", "DEBIAN_FRONTEND": "noninteractive"}
_FIELD = re.compile(r"^(Version|Depends|Pre-Depends): (.*)$", re.MULTILINE)


def cache() -> Path:
    """Return the folder that holds a folder for each package."""
    return platformdirs.user_cache_path("incident-runbooks") / "packages"


def supported() -> bool:
    """Return whether this machine can fetch and unpack Debian packages."""
    return all(shutil.which(program) for program in ("apt-get", "apt-cache", "dpkg-deb", "dpkg-query"))


def unpacked(package: str) -> Path | None:
    """Return the folder of a package that was unpacked before, the latest one where there are several."""
    found = [folder for folder in cache().glob(f"{package}_*") if folder.is_dir()]
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def unpack(package: str, *, beside: Sequence[str] = ()) -> Path:
    """Fetch a package with the libraries that this machine lacks, and unpack them into one folder of the cache.

    Args:
        package: whose name the folder gets.
        beside: further packages that belong to it.

    Raises:
        RunbookError: this is no Debian, its package lists are missing, or the package cannot be fetched.
    """
    if not supported():
        raise RunbookError(f"Fetching the Debian package {package}: this machine has no apt-get and dpkg-deb")
    names = _with_missing_libraries([package, *beside])
    folder = cache() / f"{package}_{names[package].replace(':', '%3a')}"
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{package}.") as temporary:
            built = Path(temporary) / "files"
            _download_and_unpack(names, Path(temporary), built)
            _publish(built, folder)
    except OSError as error:
        raise RunbookError(f"Unpacking the Debian package {package} into {folder}: {error}") from error
    return folder


def library_environ(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what a program from an unpacked package needs in its environment."""
    patterns = ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib")
    folders = [str(match) for pattern in patterns for match in sorted(folder.glob(pattern)) if any(match.glob("*.so*"))]
    if not folders:
        return {}
    before = [environ["LD_LIBRARY_PATH"]] if environ.get("LD_LIBRARY_PATH") else []
    return {"LD_LIBRARY_PATH": os.pathsep.join([*before, *folders])}


def _download_and_unpack(names: Mapping[str, str], downloads: Path, target: Path) -> None:
    wanted = [f"{name}={version}" for name, version in names.items()]
    fetched = _run(["apt-get", "download", "-q", *wanted], cwd=downloads)
    if fetched.returncode != 0 and _update():  # the lists name a version that the mirror no longer has
        fetched = _run(["apt-get", "download", "-q", *names], cwd=downloads)
    if fetched.returncode != 0:
        raise RunbookError(f"Downloading the Debian packages {', '.join(names)}: {_said(fetched)}")
    target.mkdir()
    for archive in sorted(downloads.glob("*.deb")):
        extracted = _run(["dpkg-deb", "-x", str(archive), str(target)], cwd=downloads)
        if extracted.returncode != 0:
            raise RunbookError(f"Unpacking {archive.name}: {_said(extracted)}")


def _publish(built: Path, folder: Path) -> None:
    """Put the finished folder in its place; another command may have been quicker with the same one."""
    try:
        built.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _with_missing_libraries(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package, and of each library that they need and this machine does not have."""
    versions: dict[str, str] = {}
    provided = _provided()
    waiting = list(packages)
    while waiting:
        name = waiting.pop(0)
        if name in versions:
            continue
        fields = dict(_FIELD.findall(_record(name)))
        versions[name] = fields["Version"]
        needed = _first_choices(fields.get("Depends", ""), fields.get("Pre-Depends", ""))
        waiting += [each for each in needed if _is_library(each) and each not in provided and not _installed(each)]
    return versions


def _is_library(package: str) -> bool:
    """Whether a program may need it; a web interface's JavaScript (300 MB for Prometheus) no lab looks at."""
    return package.startswith("lib") and not package.startswith("libjs-")


def _first_choices(*relations: str) -> list[str]:
    """Return the package names of ``Depends`` fields, of alternatives the first."""
    entries = [entry for relation in relations for entry in relation.split(",") if entry.strip()]
    return [entry.split("|")[0].split("(")[0].split(":")[0].strip() for entry in entries]


def _record(package: str) -> str:
    command = ["apt-cache", "show", "--no-all-versions", package]
    shown = _run(command)
    if shown.returncode != 0 and _update():
        shown = _run(command)
    if shown.returncode != 0 or "Version:" not in shown.stdout:
        raise RunbookError(
            f"Looking up the Debian package {package}: the package lists of this machine do not have it",
            hint=f"as root: apt-get update; or install {package} yourself",
        )
    return shown.stdout


def _installed(package: str) -> bool:
    return _run(["dpkg-query", "-W", "-f=${db:Status-Status}", package]).stdout == "installed"


def _provided() -> set[str]:
    """Return the names under which installed packages stand in for others, such as libgcc-s1 for libgcc1."""
    return set(_first_choices(*_run(["dpkg-query", "-W", "-f=${Provides}\\n"]).stdout.splitlines()))


def _update() -> bool:
    """Refresh the package lists, which only root may do."""
    return os.geteuid() == 0 and _run(["apt-get", "update", "-q"]).returncode == 0


def _run(command: Sequence[str], *, cwd: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    """Run one of Debian's tools.

    Raises:
        RunbookError: it cannot be started, or hangs.
    """
    try:
        return subprocess.run(  # noqa: S603 - no shell, our own arguments
            command,
            cwd=cwd,
            env={**os.environ, **_ENVIRON},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_APT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RunbookError(f"Running {command[0]} {command[1]}: {error}") from error


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg"))]
    return " ".join(lines)[:300] or f"exit status {done.returncode}"

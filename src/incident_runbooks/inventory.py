# SPDX-License-Identifier: GPL-3.0-or-later
"""Which inventory a run uses, and the parts of the ansible.cfg in force that the wrapper has to know.

Nothing is guessed: without ``--inventory``, an environment variable or an ansible.cfg there is no inventory,
and least of all the lab's.
"""

from __future__ import annotations

import configparser
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from incident_runbooks.errors import UsageError

RUNBOOK_VARIABLE = "RUNBOOK_INVENTORY"
ANSIBLE_VARIABLE = "ANSIBLE_INVENTORY"
_DEFAULT_COLLECTIONS = ("~/.ansible/collections", "/usr/share/ansible/collections")


@dataclass(frozen=True)
class Inventory:
    """The inventory of a run.

    Attributes:
        sources: absolute paths, or host lists (they contain a comma).
        origin: who named them, for the operator to see.
    """

    sources: tuple[str, ...]
    origin: str


@dataclass(frozen=True)
class AnsibleConfig:
    """The ansible.cfg in force.

    Attributes:
        path: ``None`` where there is none.
    """

    path: Path | None
    inventory: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ()


def resolve(given: Sequence[str], environ: Mapping[str, str], cwd: Path) -> Inventory:
    """Return the inventory in force: given, RUNBOOK_INVENTORY, ANSIBLE_INVENTORY, or the ansible.cfg in force.

    Raises:
        UsageError: nothing names one, or what is named cannot be read.
    """
    if given:
        return _checked([_absolute(source, cwd) for source in _named(given, "--inventory")], "--inventory")
    for variable in (RUNBOOK_VARIABLE, ANSIBLE_VARIABLE):
        # an empty one of ours is a script's mistake; to Ansible an empty one is none
        if environ.get(variable) or (variable in environ and variable == RUNBOOK_VARIABLE):
            _named([environ[variable]], variable)
            return _checked([_absolute(source, cwd) for source in _split(environ[variable], cwd)], variable)
    config = ansible_config(environ, cwd)
    if config.inventory:
        return _checked(list(config.inventory), str(config.path))
    raise UsageError(
        "Looking for the inventory: none is named",
        hint=f"give --inventory PATH, set {RUNBOOK_VARIABLE}, or set inventory in the [defaults] of an ansible.cfg",
    )


def ansible_config(environ: Mapping[str, str], cwd: Path) -> AnsibleConfig:
    """Return the ansible.cfg in force, found as ansible-core finds it (``find_ini_config_file``).

    Raises:
        UsageError: it cannot be read as an ini file.
    """
    path = _config_path(environ, cwd)
    if path is None:
        return AnsibleConfig(None)
    # ansible-core reads it with these two settings
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        cause = " ".join(str(error).split())
        raise UsageError(
            f"Reading the Ansible configuration {path}: {cause}", hint="see: ansible-config view"
        ) from error

    def paths(key: str, separator: str) -> tuple[str, ...]:
        parts = parser.get("defaults", key, fallback="").split(separator)
        return tuple(_absolute(_unquoted(part), path.parent, cwd) for part in parts if _unquoted(part).strip())

    callbacks = parser.get("defaults", "callbacks_enabled", fallback="").split(",")
    return AnsibleConfig(
        path,
        inventory=paths("inventory", ","),
        collections=paths("collections_path", os.pathsep),
        callbacks=tuple(name.strip() for name in callbacks if name.strip()),
    )


def collections_in_force(config: AnsibleConfig, environ: Mapping[str, str], cwd: Path) -> list[str]:
    """Return where Ansible would look for collections: what the wrapper adds its own to."""
    variable = environ.get("ANSIBLE_COLLECTIONS_PATH")
    if variable:
        return [_absolute(part, cwd) for part in variable.split(os.pathsep) if part]
    return list(config.collections or (_absolute(part, cwd) for part in _DEFAULT_COLLECTIONS))


def callbacks_in_force(config: AnsibleConfig, environ: Mapping[str, str]) -> list[str]:
    """Return the callbacks that the operator's configuration enables."""
    variable = environ.get("ANSIBLE_CALLBACKS_ENABLED")
    return [name.strip() for name in variable.split(",") if name.strip()] if variable else list(config.callbacks)


def _config_path(environ: Mapping[str, str], cwd: Path) -> Path | None:
    candidates = [cwd / "ansible.cfg"] if not cwd.stat().st_mode & stat.S_IWOTH else []
    candidates += [Path("~/.ansible.cfg").expanduser(), Path("/etc/ansible/ansible.cfg")]
    if "ANSIBLE_CONFIG" in environ:
        named = Path(_absolute(environ["ANSIBLE_CONFIG"], cwd))
        candidates.insert(0, named / "ansible.cfg" if named.is_dir() else named)
    return next((path for path in candidates if path.exists() and os.access(path, os.R_OK)), None)


def _named(sources: Sequence[str], origin: str) -> Sequence[str]:
    if not all(source.strip(" \t\n,") for source in sources):
        raise UsageError(f"Looking for the inventory: {origin} is empty", hint="name one, or leave it out")
    return sources


def _checked(sources: list[str], origin: str) -> Inventory:
    for source in sources:
        if "," in source and not Path(source).exists():
            continue  # a host list
        _require_readable(Path(source), origin)
    return Inventory(tuple(sources), origin)


def _require_readable(path: Path, origin: str) -> None:
    cause = None
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            with path.open("rb") as file:
                file.read(1)
    except OSError as error:
        cause = error.strerror or str(error)
    if cause:
        raise UsageError(f"Reading the inventory {path}: {cause}", hint=f"{origin} names it")


def _split(value: str, cwd: Path) -> list[str]:
    if Path(_absolute(value, cwd)).exists():
        return [value]
    return [part.strip() for part in value.split(",") if part.strip()]


def _absolute(source: str, base: Path, cwd: Path | None = None) -> str:
    """Return *source* as Ansible would (``~``, variables, ``{{CWD}}``); a relative path is below *base*."""
    if "," in source and not (base / source).exists():
        return source
    text = source.strip().replace("{{CWD}}", str(cwd or base))
    return os.path.normpath(base / Path(os.path.expandvars(text)).expanduser())


def _unquoted(value: str) -> str:
    text = value.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text

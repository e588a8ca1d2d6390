# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong, and how the files are read in which it is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times faster where libyaml is there
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: relative to the collection.
        what: what is wrong, and where in the file.
        fix: what to do about it.
    """

    file: str
    what: str
    fix: str


class Problems:
    """Collects what is wrong with a collection.

    Args:
        root: the collection's directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._found: dict[Problem, None] = {}

    def add(self, file: Path, what: str, fix: str) -> None:
        """Note a problem; the same one is noted once."""
        name = file.relative_to(self.root) if file.is_relative_to(self.root) else file
        self._found[Problem(str(name), " ".join(what.split()), fix)] = None

    def sorted(self) -> list[Problem]:
        """Return the problems, by file."""
        return sorted(self._found)

    def read(self, file: Path) -> Any:
        """Return what is in a YAML file, ``None`` where it cannot be read; that is a problem."""
        try:
            return yaml.load(file.read_text(encoding="utf-8"), Loader=_Strict)  # noqa: S506 - it builds plain data
        except FileNotFoundError:
            self.add(file, "it is not there", "add it")
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            self.add(file, f"it cannot be read: {error}", "correct the YAML")
        return None

    def text(self, file: Path) -> str:
        """Return a file's text, empty where it cannot be read; that is a problem."""
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.add(file, f"it cannot be read: {error}", "correct the file")
            return ""


def mapping(data: Any) -> dict[str, Any]:
    """Return *data* if it is a mapping, else an empty one."""
    return data if isinstance(data, dict) else {}


def sequence(data: Any) -> list[Any]:
    """Return *data* if it is a list, else an empty one."""
    return data if isinstance(data, list) else []


class _Strict(_BASE):  # type: ignore[misc]  # its base is one of two classes
    """Refuses a key that is there twice, of which the last would win in silence; reads Ansible's tags as plain data."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Build a mapping.

        Raises:
            yaml.constructor.ConstructorError: a key is there twice.
        """
        keys = [key.value for key, _ in node.value if key.tag != _MERGE and isinstance(key.value, str)]
        for key in {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _tagged(loader: Any, _tag: str, node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Strict.add_multi_constructor("!", _tagged)


def named(names: Mapping[str, Any] | set[str] | list[str]) -> str:
    """Return names for a sentence."""
    return ", ".join(sorted(map(str, names))) or "none"

# SPDX-License-Identifier: GPL-3.0-or-later
"""The list in docs/lab-cluster.md and the conformance tests are the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_DOCUMENT = _HERE.parents[2] / "docs" / "lab-cluster.md"
_LEAST = 60  # operations


def _listed() -> dict[str, list[list[str]]]:
    """Return the rows of the document's tables by file."""
    found: dict[str, list[list[str]]] = {}
    rows: list[list[str]] | None = None
    for line in _DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if heading := re.fullmatch(r"`(test_\w+\.py)`", cells[0]):
            rows = found.setdefault(heading[1], [])
        elif not line.startswith("|"):
            rows = None
        elif rows is not None and not cells[0].startswith("---"):
            rows.append(cells)
    return found


def _tests(path: Path) -> list[str]:
    names = [
        each.name for each in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(each, ast.FunctionDef)
    ]
    return [name for name in names if name.startswith("test_")]


def test_every_test_is_listed_and_every_row_is_a_test() -> None:
    files = [path for path in sorted(_HERE.glob("test_*.py")) if path != Path(__file__)]
    listed = {name: [f"test_{row[0].replace(' ', '_')}" for row in rows] for name, rows in _listed().items()}
    assert listed == {path.name: _tests(path) for path in files}
    assert sum(map(len, listed.values())) >= _LEAST


def test_every_source_is_explained() -> None:
    text = _DOCUMENT.read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| (\[\w+\]) \|", text, flags=re.MULTILINE))
    used = {row[3] for rows in _listed().values() for row in rows}
    assert used - {"the lab itself"} == explained

# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: nothing is pulled. The digest is made from the name, and the tag can say that an image is missing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_MISSING_TAG = "missing"


def exists(image: str) -> bool:
    """Whether the registry has it: all but those with the tag ``missing``."""
    return _split(image)[1] != _MISSING_TAG


def pull_failure(image: str) -> str:
    """Return what the container runtime says when it cannot find an image."""
    full = reference(image)
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )


def reference(image: str) -> str:
    """Return the full name: with the registry, and the tag or digest."""
    repository, tag, digest = _split(image)
    return f"{repository}@{digest}" if digest else f"{repository}:{tag}"


def image_id(image: str) -> str:
    """Return repository and digest, as ``imageID`` shows them; the same name has always the same digest."""
    repository, _, digest = _split(image)
    return f"{repository}@{digest or 'sha256:' + hashlib.sha256(reference(image).encode()).hexdigest()}"


def entry_point(directory: Path, image: str) -> list[str]:
    """Return what an image runs unless it is told: from ``images.json``, ``{image: [argument, ...]}``."""
    try:
        known: Json = json.loads((directory / "images.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return []
    return [str(argument) for argument in known.get(image) or ()]


def _split(image: str) -> tuple[str, str, str]:
    """Return the repository with its registry, the tag, and the digest or ``""``."""
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    repository = f"{head}{slash}{last}"
    first = repository.partition("/")[0]
    if not head:
        repository = f"docker.io/library/{repository}"
    elif not ("." in first or ":" in first or first == "localhost"):
        repository = f"docker.io/{repository}"
    return repository, tag or "latest", digest

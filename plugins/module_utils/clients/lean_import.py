# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Load a package without what it would load as well, only because that happens to be installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let imports of *packages* fail inside, as where they are not installed; one that is loaded already stays.

    Only for a package that gets on without them, and that is used here without what it needs them for.
    """
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: the documented way to block an import
    try:
        yield
    finally:
        for package in hidden:
            sys.modules.pop(package, None)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What Slack accepts as the blocks of a message. Reference: docs.slack.dev/reference/block-kit/blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from incident_runbooks.lab.communications.slack_request import failed

_MOST_BLOCKS = 50
_MOST_FIELDS = 10
_MOST_ELEMENTS = {"context": 10, "actions": 25}
_LONGEST_SECTION = 3000  # characters
_LONGEST_FIELD = 2000
_LONGEST_HEADER = 150
_LONGEST_MARKDOWN = 12_000
_LONGEST_ID = 255
_LONGEST_ALTOGETHER = 13_200  # undocumented; reported in slackapi/bolt-js#2509
_TEXT_TYPES = ("plain_text", "mrkdwn")

Problems = Iterator[str]
Json = dict[str, Any]


def check(blocks: Any) -> None:
    """Refuse blocks that Slack refuses.

    Args:
        blocks: as they came.

    Raises:
        RefusedError: with a message for each problem, each with the place as a JSON pointer.
    """
    if not isinstance(blocks, list):
        raise failed("invalid_blocks_format")
    problems = list(_problems(blocks))
    if problems:
        raise failed("invalid_blocks", *(f"[ERROR] {problem}" for problem in problems))
    if sum(len(text) for text in _texts(blocks)) > _LONGEST_ALTOGETHER:
        raise failed("msg_blocks_too_long")


def _problems(blocks: list[Any]) -> Problems:
    if len(blocks) > _MOST_BLOCKS:
        yield f"no more than {_MOST_BLOCKS} items allowed [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        place = f"/blocks/{number}"
        if not isinstance(block, dict):
            yield f"must be an object [json-pointer:{place}]"
        elif (kind := block.get("type")) not in _KINDS:
            yield f"unsupported type: {kind} [json-pointer:{place}/type]" if kind else _missing("type", place)
        else:
            yield from _KINDS[kind](block, place)
            if len(str(block.get("block_id") or "")) > _LONGEST_ID:
                yield _too_long(_LONGEST_ID, f"{place}/block_id")


def _section(block: Json, place: str) -> Problems:
    fields = block.get("fields")
    if "text" not in block and not fields:
        yield _missing("text", place)
    if "text" in block:
        yield from _text(block["text"], f"{place}/text", _LONGEST_SECTION)
    if fields is None:
        return
    if not isinstance(fields, list) or len(fields) > _MOST_FIELDS:
        yield f"no more than {_MOST_FIELDS} items allowed [json-pointer:{place}/fields]"
        return
    for number, field in enumerate(fields):
        yield from _text(field, f"{place}/fields/{number}", _LONGEST_FIELD)


def _header(block: Json, place: str) -> Problems:
    yield from _text(block.get("text"), f"{place}/text", _LONGEST_HEADER, kinds=("plain_text",))


def _elements(block: Json, place: str) -> Problems:
    elements, most = block.get("elements"), _MOST_ELEMENTS[block["type"]]
    if not isinstance(elements, list) or not elements:
        yield _missing("elements", place)
        return
    if len(elements) > most:
        yield f"no more than {most} items allowed [json-pointer:{place}/elements]"
    if block["type"] != "context":
        return
    for number, element in enumerate(elements):
        if not isinstance(element, dict) or element.get("type") != "image":
            yield from _text(element, f"{place}/elements/{number}", _LONGEST_SECTION)


def _markdown(block: Json, place: str) -> Problems:
    text = block.get("text")
    if not isinstance(text, str) or not text:
        yield _missing("text", place)
    elif len(text) > _LONGEST_MARKDOWN:
        yield _too_long(_LONGEST_MARKDOWN, f"{place}/text")


def _image(block: Json, place: str) -> Problems:
    if not block.get("image_url") and not block.get("slack_file"):
        yield _missing("image_url", place)
    if not block.get("alt_text"):
        yield _missing("alt_text", place)


def _rich_text(block: Json, place: str) -> Problems:
    if not isinstance(block.get("elements"), list):
        yield _missing("elements", place)


def _divider(_block: Json, _place: str) -> Problems:
    return iter(())


_KINDS: dict[Any, Callable[[Json, str], Problems]] = {
    "section": _section,
    "header": _header,
    "context": _elements,
    "actions": _elements,
    "divider": _divider,
    "markdown": _markdown,
    "image": _image,
    "rich_text": _rich_text,
}


def _text(text: Any, place: str, longest: int, kinds: tuple[str, ...] = _TEXT_TYPES) -> Problems:
    """Check a text object."""
    if not isinstance(text, dict):
        yield f"must be an object [json-pointer:{place}]" if text is not None else _missing("text", place[:-5])
        return
    if text.get("type") not in kinds:
        yield f"must be one of: {', '.join(kinds)} [json-pointer:{place}/type]"
    said = text.get("text")
    if not isinstance(said, str):
        yield _missing("text", place)
    elif not said:
        yield f"must be more than 0 characters [json-pointer:{place}/text]"
    elif len(said) > longest:
        yield _too_long(longest, f"{place}/text")


def _missing(name: str, place: str) -> str:
    return f"missing required field: {name} [json-pointer:{place}]"


def _too_long(longest: int, place: str) -> str:
    return f"must be less than {longest + 1} characters [json-pointer:{place}]"


def _texts(value: Any) -> Iterator[str]:
    """Every text in blocks, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "text" and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an object by its type's schema: unknown fields, wrong types, nulls.

The real server decodes into structures: what they do not have falls away or, when the client wants it strict, is an
error; ``null`` is the same as nothing.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.writes import schemas

Json = dict[str, Any]

_GO_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_BITS = {"int32": 31, "int64": 63}
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


class DecodingError(Exception):
    """The object cannot be read; the text is the real server's, without its beginning."""


@dataclass
class Decoded:
    """An object as it was understood.

    Attributes:
        value: without nulls and unknown fields.
        unknown: paths of the fields that the type does not have.
    """

    value: Json
    unknown: list[str] = field(default_factory=list)

    def strict_error(self) -> str:
        """Return what is said of the unknown fields where the client wants it strict."""
        return "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in self.unknown)

    def warnings(self) -> list[str]:
        """Return what is said of them otherwise."""
        return [f'unknown field "{path}"' for path in self.unknown]


def decode(obj: Json, api_version: str, kind: str) -> Decoded:
    """Return an object as its type's schema understands it.

    Raises:
        DecodingError: a value has the wrong type.
    """
    name = schemas.name_of(api_version, kind)
    if name is None:
        return Decoded(obj)
    found = Decoded({})
    found.value = _object(obj, schemas.definitions()[name], _Place(kind, "", ""), found.unknown)
    return found


@dataclass(frozen=True)
class _Place:
    """Where a value stands: in which structure, its path there without indexes, and its path in the object."""

    structure: str
    go_path: str
    path: str

    def field(self, name: str) -> _Place:
        go_path = f"{self.go_path}.{name}" if self.go_path else name
        return _Place(self.structure, go_path, f"{self.path}.{name}" if self.path else name)

    def item(self, index: int) -> _Place:
        return _Place(self.structure, self.go_path, f"{self.path}[{index}]")

    def inside(self, structure: str) -> _Place:
        return _Place(structure, self.go_path, self.path)


def _value(value: Any, schema: Json, place: _Place, unknown: list[str]) -> Any:
    name = schemas.ref_name(schema)
    known = schemas.resolve(schema)
    if name == _INT_OR_STRING:
        return _int_or_string(value, place)
    if name == _QUANTITY:
        return _quantity(value, place)
    if "properties" in known:
        _require(value, dict, place, f"v1.{_short(name)}")
        return _object(value, known, place.inside(_short(name) or place.structure), unknown)
    if isinstance(known.get("additionalProperties"), dict):
        _require(value, dict, place, "map[string]string")
        return _map(value, known["additionalProperties"], place, unknown)
    if "items" in known:
        _require(value, list, place, f"[]{_go_type(known['items'])}")
        return [_value(each, known["items"], place.item(index), unknown) for index, each in enumerate(value)]
    return value if schemas.is_free_form(known) and "type" not in known else _scalar(value, known, place)


def _object(value: Json, schema: Json, place: _Place, unknown: list[str]) -> Json:
    fields = schema.get("properties")
    if fields is None:
        return value
    found: Json = {}
    for name, each in value.items():
        there = place.field(name)
        if name not in fields:
            unknown.append(there.path)
        elif each is not None:
            found[name] = _value(each, fields[name], there, unknown)
    return found


def _map(value: Json, schema: Json, place: _Place, unknown: list[str]) -> Json:
    return {
        name: "" if each is None else _value(each, schema, place.field(name), unknown) for name, each in value.items()
    }


def _scalar(value: Any, schema: Json, place: _Place) -> Any:
    types = schema.get("type")
    wanted = types if isinstance(types, list) else [types]
    if "integer" in wanted:
        return _integer(value, schema.get("format", "int64"), place)
    if "number" in wanted:
        return _require(value, (int, float), place, "float64")
    if "boolean" in wanted:
        return _require(value, bool, place, "bool")
    if "string" in wanted:
        return _string(_require(value, str, place, "string"), schema.get("format"))
    return value


def _string(value: str, form: str | None) -> str:
    if form == "byte":
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error as exc:
            raise DecodingError("illegal base64 data at input byte 0") from exc
    if form == "date-time" and value:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError as exc:
            layout = "2006-01-02T15:04:05Z07:00"
            raise DecodingError(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"') from exc
    return value


def _integer(value: Any, form: str, place: _Place) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float):
        raise _mismatch(f"number {value}", place, form)
    number: int = _require(value, int, place, form)
    if abs(number) >> _BITS.get(form, 63):
        raise _mismatch(f"number {number}", place, form)
    return number


def _int_or_string(value: Any, place: _Place) -> Any:
    return _require(value, (int, str), place, "intstr.IntOrString")


def _quantity(value: Any, place: _Place) -> str:
    return str(_require(value, (int, float, str), place, "resource.Quantity"))


def _require(value: Any, types: type | tuple[type, ...], place: _Place, go_type: str) -> Any:
    """Return a value if it has one of the types; a bool is no number.

    Raises:
        DecodingError: it has not.
    """
    accepted = types if isinstance(types, tuple) else (types,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        raise _mismatch(_GO_NAMES.get(type(value), "null"), place, go_type)
    return value


def _mismatch(there: str, place: _Place, go_type: str) -> DecodingError:
    said = f"json: cannot unmarshal {there} into Go struct field {place.structure}.{place.go_path} of type {go_type}"
    return DecodingError(said)


def _go_type(schema: Json) -> str:
    name = schemas.ref_name(schema)
    if name is not None:
        return f"v1.{_short(name)}"
    types = schema.get("type") or "object"
    first = str(types[0] if isinstance(types, list) else types)
    return str({"integer": schema.get("format", "int64"), "boolean": "bool"}.get(first, first))


def _short(name: str | None) -> str:
    return (name or "").rpartition(".")[2]


def require_kind(obj: Json, api_version: str, kind: str) -> None:
    """Raise unless an object is of the type that the path names, or says nothing of its type.

    Raises:
        ApiError: 400.
    """
    given_version, given_kind = obj.get("apiVersion") or api_version, obj.get("kind") or kind
    version = given_version.rpartition("/")[2]
    if given_version != api_version:
        said = f"the API version in the data ({given_version}) does not match the expected API version ({api_version})"
        raise errors.bad_request(said)
    if given_kind != kind:
        raise errors.bad_request(f'{given_kind} in version "{version}" cannot be handled as a {kind}: no kind match')

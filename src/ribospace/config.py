"""Dataclasses read from TOML and from `key=value`; a key that does not exist is an error that names the nearest."""

from __future__ import annotations

import dataclasses
import math
import reprlib
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ribospace.errors import UserError, nearest
from ribospace.files import existing_file

T = TypeVar("T")

#: Sections within sections, far more than any config has; what reads them is recursive.
DEEPEST = 20

#: Numbers go into float32.
LARGEST = 3.4028234663852886e38


def read_toml(path: Path | str) -> dict[str, Any]:
    """Read a TOML file, with a clear sentence where it is not TOML."""
    path = existing_file(path)
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also of a number with thousands of digits, of lists in lists
        raise UserError(f"{path} is not valid TOML: {error}.") from error
    level: list[Any] = [said]
    for _ in range(DEEPEST):
        level = [one for section in level for one in section.values() if isinstance(one, Mapping)]
    if level:
        raise UserError(f"{path} has sections within sections, more than {DEEPEST} deep. No config has so many.")
    return said


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str = "the config") -> T:
    """Build a (nested) dataclass, refusing keys that it does not have and values of the wrong type.

    Parameters
    ----------
    cls
        A dataclass with a default for every field that may be left out.
    mapping
        Field names and values; a nested dataclass is a nested mapping.
    where
        What is being read, for the message.

    Returns
    -------
    T
        An instance of `cls`.

    Raises
    ------
    UserError
        For an unknown key (the nearest is named), a wrong type, or a value that `cls` refuses.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Size:
    ...     width: int = 64
    >>> from_mapping(Size, {"width": 32})
    Size(width=32)
    >>> from_mapping(Size, {"widht": 32})
    Traceback (most recent call last):
        ...
    ribospace.errors.UserError: Unknown key 'widht' in the config. Did you mean width?
    """
    if not isinstance(mapping, Mapping):
        raise UserError(f"{where[:1].upper()}{where[1:]} must be a section of keys and values. Mend it.")
    types = typing.get_type_hints(cls)
    fields = {field.name: types[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        if key not in fields:
            raise UserError(f"Unknown key {key!r} in {where}. {nearest(key, fields)}")
        kind = fields[key]
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, Mapping):
                raise UserError(f"{key!r} in {where} is a section with keys of its own: {key}.KEY = value.")
            values[key] = from_mapping(typing.cast("type[Any]", kind), value, f"{where}, section {key}")
        else:
            values[key] = _checked(kind, key, value, where)
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"In {where}: {error}.") from error


def _checked(kind: Any, key: str, value: Any, where: str) -> Any:
    if typing.get_origin(kind) is tuple and isinstance(value, list):  # a tuple of any length, of one kind
        return tuple(_checked(typing.get_args(kind)[0], key, one, where) for one in value)
    allowed = (tuple,) if typing.get_origin(kind) is tuple else typing.get_args(kind) or (kind,)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        return _finite(key, value, where)
    if float in allowed and isinstance(value, float):
        return _finite(key, value, where)
    if isinstance(value, bool) and bool not in allowed:
        allowed = ()
    if not any(value is None if one is type(None) else isinstance(value, one) for one in allowed):
        name = " or ".join(getattr(one, "__name__", str(one)) for one in typing.get_args(kind) or (kind,))
        raise UserError(f"{key!r} in {where} must be {name}, not {reprlib.repr(value)}.")
    return value


def _finite(key: str, value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not abs(number) <= LARGEST:  # nor is NaN
        raise UserError(f"{key!r} in {where} must be a number between -{LARGEST:.1e} and {LARGEST:.1e}. Give another.")
    return number


def with_overrides(mapping: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Lay `key=value` settings (dots reach into sections, values as in TOML) over a mapping.

    Examples
    --------
    >>> with_overrides({"model": {"width": 64}}, ["model.width=32", "seed=1", "name=mine"])
    {'model': {'width': 32}, 'seed': 1, 'name': 'mine'}
    """
    result = _copied(mapping)
    for setting in overrides:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {setting!r} is not key=value; for instance --set model.width=32.")
        section = result
        *parents, last = key.strip().split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"--set {setting!r}: {parent!r} is a value, not a section.")
        section[last] = _value(text.strip())
    return result


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping over another, section by section.

    Examples
    --------
    >>> laid_over({"model": {"width": 64, "heads": 4}}, {"model": {"width": 32}, "seed": 1})
    {'model': {'width': 32, 'heads': 4}, 'seed': 1}
    """
    result = _copied(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = laid_over(result[key], value) if both else value
    return result


def _copied(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in mapping.items()}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text

"""Checks JSON values against the SDK's own types, to any depth. Nothing about the API is written down here.

The SDK describes a request as TypedDicts, unions and literals, for type checkers. `compiled` turns such a type into a
checker: objects take no other keys than theirs, whatever the type calls an iterable is an array, and of several kinds
of object the one that `type` or `role` names is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from batchtui.core.requests.flaw import Flaw, at, one_of
from batchtui.core.requests.shape_words import BAD_VALUE, CONSTANT, UNKNOWN_TAG, Look

_ARRAYS = (list, Iterable, Sequence, Collection)
_TAGS = ("type", "role")
_SCALARS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
_SAID = {str: "a valid string", int: "a valid integer", float: "a valid number", bool: "a valid boolean"}

Checker = Callable[[Any, str, Look], None]


def compiled(annotation: Any, done: dict[Any, _Object]) -> Checker:
    """The checker for a type. `done` holds the objects that were compiled before, so that types may be recursive."""
    options = _Options()
    _collect(annotation, options, done)
    return options.checker()


class _Options:
    """The alternatives of a union."""

    def __init__(self) -> None:
        self.null = False
        self.anything = False
        self.literals: list[Any] = []
        self.scalars: list[type] = []
        self.arrays: list[_Array] = []
        self.objects: list[_Object] = []
        self.maps: list[_Map] = []

    def checker(self) -> Checker:
        if self.anything:
            return _anything
        several = self.null + bool(self.literals) + len(self.scalars) + len(self.arrays) + len(self.objects)
        if several == 1 and not self.maps and (self.objects or self.arrays):
            return self.objects[0] if self.objects else self.arrays[0]
        return _Union(self)


def _anything(_value: Any, _path: str, _look: Look) -> None:
    return None


def _collect(annotation: Any, options: _Options, done: dict[Any, _Object]) -> None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Required, NotRequired, Annotated):
        _collect(arguments[0], options, done)
    elif origin in (Union, UnionType):
        for one in arguments:
            _collect(one, options, done)
    elif origin is Literal:
        options.literals += arguments
    elif annotation in (NoneType, None):
        options.null = True
    elif hasattr(annotation, "__total__"):  # a TypedDict, of whichever module
        if annotation not in done:
            done[annotation] = _Object(annotation, done)
        options.objects.append(done[annotation])
    elif origin is dict:
        options.maps.append(_Map(compiled(arguments[1], done)))
    elif origin in _ARRAYS:
        options.arrays.append(_Array(compiled(arguments[0], done)))
    elif annotation in (object, Any):
        options.anything = True
    elif annotation in _SCALARS:
        options.scalars.append(annotation)
    # What is left has no form in JSON: bytes, open files, and the SDK's own classes for answers.


class _Object:
    """A closed object: the SDK's TypedDict."""

    def __init__(self, kind: Any, done: dict[Any, _Object]) -> None:
        self._kind = kind
        self._done = done
        self._tags: dict[str, tuple[Any, ...]] = {}
        self.open = getattr(kind, "__pydantic_config__", {}).get("extra") == "allow"

    @cached_property
    def hints(self) -> dict[str, Any]:
        return get_type_hints(self._kind, include_extras=True)

    @cached_property
    def fields(self) -> dict[str, Checker]:
        return {name: compiled(hint, self._done) for name, hint in self.hints.items()}

    @cached_property
    def required(self) -> tuple[str, ...]:
        return tuple(name for name, hint in self.hints.items() if get_origin(hint) is Required)

    def tags(self, key: str) -> tuple[Any, ...]:
        """The values that `key` may have, if it is a tag; None among them if it may be left out."""
        if key not in self._tags:
            self._tags[key] = self._tags_of(key)
        return self._tags[key]

    def _tags_of(self, key: str) -> tuple[Any, ...]:
        if key not in self.hints:
            return ()
        options = _Options()
        _collect(self.hints[key], options, self._done)
        return (*options.literals, *(() if key in self.required else (None,))) if options.literals else ()

    def __call__(self, value: Any, path: str, look: Look) -> None:
        if not isinstance(value, dict):
            look.wrong_type(path, value, "an object", "a valid dictionary")
            return
        fields = self.fields
        if (kind := value.get("type")) is not None and isinstance(kind, str) and kind not in look.vouched:
            tags = tuple(tag for tag in self.tags("type") if tag is not None)
            if tags and kind not in tags:  # it is something else: nothing more can be said about it
                look.bad_value(at(path, "type"), kind, tags, CONSTANT)
                return
        for name, one in value.items():
            if name in fields:
                fields[name](one, at(path, name), look)
            elif not self.open and name not in look.vouched:
                look.unknown_key(path, name, fields)
        for name in self.required:
            if name not in value:
                tags = self.tags(name)
                look.missing(at(path, name), f'"{tags[0]}"' if len(tags) == 1 else "")


class _Map:
    """An object with any keys."""

    def __init__(self, values: Checker) -> None:
        self._values = values

    def __call__(self, value: Any, path: str, look: Look) -> None:
        if not isinstance(value, dict):
            look.wrong_type(path, value, "an object", "a valid dictionary")
        elif self._values is not _anything:
            for name, one in value.items():
                self._values(one, at(path, name), look)


class _Array:
    def __init__(self, items: Checker) -> None:
        self._items = items

    def __call__(self, value: Any, path: str, look: Look) -> None:
        if not isinstance(value, list):
            look.wrong_type(path, value, "an array", "a valid list")
            return
        for index, one in enumerate(value):
            self._items(one, f"{path}[{index}]", look)


class _Union:
    """Several alternatives; what the JSON value is decides which one is meant."""

    def __init__(self, options: _Options) -> None:
        self._null = options.null
        self._literals = options.literals
        self._scalars = frozenset(options.scalars)
        self._arrays = options.arrays
        self._objects = options.objects
        self._maps = options.maps

    @cached_property
    def _tagged(self) -> tuple[str, dict[Any, _Object]] | None:
        """The key that tells the objects apart, and which object each of its values means."""
        for key in _TAGS:
            if all(one.tags(key) for one in self._objects):
                by_tag: dict[Any, _Object] = {}
                for one in self._objects:
                    for tag in one.tags(key):
                        by_tag.setdefault(tag, one)
                return key, by_tag
        return None

    def __call__(self, value: Any, path: str, look: Look) -> None:
        match value:
            case None if self._null:
                return
            case dict() if self._objects:
                self._object(value, path, look)
            case dict() if self._maps:
                self._maps[0](value, path, look)
            case list() if self._arrays:
                self._best(self._arrays, value, path, look)
            case _ if self._scalar(value):
                return
            case bool() | str() | int() | float() if self._literals and not self._scalars:
                self._literal(value, path, look)
            case _:
                look.wrong_type(path, value, self._wanted(), self._said())

    def _scalar(self, value: Any) -> bool:
        kind = type(value)
        if kind in self._scalars or (kind is int and float in self._scalars):
            return True
        return kind is float and int in self._scalars and value.is_integer()

    def _literal(self, value: Any, path: str, look: Look) -> None:
        if any(value == one and type(value) is type(one) for one in self._literals) or value in look.vouched:
            return
        look.bad_value(path, value, self._literals, BAD_VALUE if len(self._literals) > 1 else CONSTANT)

    def _object(self, value: dict[str, Any], path: str, look: Look) -> None:
        if len(self._objects) == 1:
            self._objects[0](value, path, look)
            return
        if self._tagged is None:
            self._best(self._objects, value, path, look)
            return
        key, by_tag = self._tagged
        tag = value.get(key)
        if isinstance(tag, str | None) and tag in by_tag:
            by_tag[tag](value, path, look)
        elif key not in value:
            names = [one for one in by_tag if one is not None]
            look.flaws.append(
                Flaw(
                    "missing_field",
                    at(path, key),
                    f"{at(path, key)} is missing.",
                    f"Say which it is: {one_of(names)}.",
                    "Field required",
                )
            )
        elif not isinstance(tag, str):
            look.wrong_type(at(path, key), tag, "a string", "a valid string")
        elif tag not in look.vouched:
            look.bad_value(at(path, key), tag, [one for one in by_tag if one is not None], UNKNOWN_TAG)

    def _best(self, several: Sequence[Checker], value: Any, path: str, look: Look) -> None:
        """Reports what the alternative with the fewest flaws finds."""
        found: list[list[Flaw]] = []
        for one in several:
            tried = Look(look.vouched)
            one(value, path, tried)
            if not tried.flaws:
                return
            found.append(tried.flaws)
        fewest: list[Flaw] = min(found, key=len)
        look.flaws += fewest

    def _wanted(self) -> str:
        words = [_SCALARS[one] for one in self._scalars]
        words += [one_of(map(str, self._literals))] if self._literals and str not in self._scalars else []
        words += ["an array"] if self._arrays else []
        words += ["an object"] if self._objects or self._maps else []
        return " or ".join(words)

    def _said(self) -> str:
        words = [_SAID[one] for one in self._scalars]
        words += ["a valid list"] if self._arrays else []
        words += ["a valid dictionary"] if self._objects or self._maps else []
        return " or ".join(words) or " or ".join(repr(one) for one in self._literals)

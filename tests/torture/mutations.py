"""Good JSON and good bytes, changed in a few places. Everything is drawn from one `Random`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from tests.torture.odd_values import BYTES, NUMBERS, TEXTS, name, value


def places(tree: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a JSON value, outermost first."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        yield (*way, key)
        yield from places(child, (*way, key))


def bent(tree: Any, random: Random, most: int = 3) -> Any:
    """A copy of a JSON value with one to `most` values replaced, removed, renamed, wrapped or put elsewhere."""
    root = [copy.deepcopy(tree)]
    for _ in range(random.randint(1, most)):
        ways = list(places(root))
        *way, last = random.choice(ways)
        above: Any = root
        for key in way:
            above = above[key]
        match random.randrange(7):
            case 0 | 1 | 2:
                above[last] = value(random)
            case 3 if len(way) > 0:
                del above[last]
            case 4 if isinstance(above, dict):
                above[name(random)] = above.pop(last)
            case 5:
                above[last] = random.choice(([above[last]], {"type": above[last]}, [above[last], above[last]]))
            case _:
                other: Any = root
                for key in random.choice(ways):
                    if isinstance(other, (dict, list)) and (
                        key in other if isinstance(other, dict) else key < len(other)
                    ):
                        other = other[key]
                above[last] = copy.deepcopy(other)
    return root[0]


def alike(tree: Any, random: Random, texts: Sequence[str], most: int = 3) -> Any:
    """A copy of a JSON value with one to `most` values replaced by odd ones of the same type, often by `texts`."""
    root = [copy.deepcopy(tree)]
    for _ in range(random.randint(1, most)):
        *way, last = random.choice(list(places(root)))
        above: Any = root
        for key in way:
            above = above[key]
        match above[last]:
            case bool():
                above[last] = not above[last]
            case str():
                above[last] = random.choice(texts if random.random() < 0.7 else TEXTS)
            case int():
                above[last] = random.choice([one for one in NUMBERS if isinstance(one, int)])
            case float():
                above[last] = random.choice(NUMBERS)
            case list():
                above[last] = random.choice(([], above[last] * 2, above[last][:1]))
            case dict():
                above[last] = {} if random.random() < 0.2 else {**above[last], name(random): value(random, 4)}
            case _:
                above[last] = value(random, 4)
    return root[0]


def broken(text: bytes, random: Random, most: int = 4) -> bytes:
    """The bytes with one to `most` places changed: cut, doubled, flipped, or with something odd put in."""
    for _ in range(random.randint(1, most)):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice((1, 1, 2, 5, 20, 200)))
        match random.randrange(9):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:at] + text[at:end] * random.choice((2, 3, 50)) + text[end:]
            case 2 | 3:
                text = text[:at] + random.choice(BYTES) + text[at:]
            case 4 if at < len(text):
                text = text[:at] + bytes([text[at] ^ (1 << random.randrange(8))]) + text[at + 1 :]
            case 5:
                text = text[:at] + random.choice(BYTES) + text[end:]
            case 6:
                lines = text.split(b"\n")
                random.shuffle(lines) if random.random() < 0.3 else lines.insert(0, random.choice(lines))
                text = b"\n".join(lines)
            case 7 if random.random() < 0.4:
                text = text[:at]
            case _:
                text = text[:at] + str(random.choice(NUMBERS)).encode() + text[end:]
    return text


def recoded(text: bytes, random: Random) -> bytes:
    """The text in another encoding or packing, most often unchanged."""
    match random.randrange(24):
        case 0:
            return b"\xef\xbb\xbf" + text
        case 1:
            return text.decode(errors="replace").encode("utf-16")
        case 2:
            return text.decode(errors="replace").encode("utf-16-le")
        case 3:
            return text.decode(errors="replace").encode("latin-1", errors="replace")
        case 4:
            return text.replace(b"\n", b"\r\n")
        case 5:
            return text.replace(b"\n", b"\r")
        case 6:
            return b"\xff\xfe\x00\x00" + text
        case 7:
            return b"\x1f\x8b\x08" + text
        case 8:
            return text.rstrip(b"\n")
        case _:
            return text

"""The size of an image, as the first bytes of each kind say it."""

import base64
import struct

import pytest

from batchtui.core.cost.pixels import pixels

EXIF = b"\xff\xe1" + (60_000).to_bytes(2) + bytes(59_998)


def chunk(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + len(body).to_bytes(4, "little") + body


IMAGES = {
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + bytes(5),
    "gif": b"GIF89a" + struct.pack("<HH", 640, 480) + bytes(5),
    "jpeg": b"\xff\xd8\xff\xe0\0\x10" + bytes(14) + b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 480, 640) + bytes(9),
    "jpeg, progressive": b"\xff\xd8" + EXIF * 3 + b"\xff\xff\xc2\0\x11\x08" + struct.pack(">HH", 480, 640) + bytes(9),
    "jpeg behind a table": b"\xff\xd8\xff\xc4\0\x04ab\xff\xc1\0\x11\x08" + struct.pack(">HH", 480, 640) + bytes(9),
    "webp": chunk(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480) + bytes(9)),
    "webp, lossless": chunk(b"VP8L", b"\x2f" + (639 | 479 << 14).to_bytes(4, "little") + bytes(9)),
    "webp, extended": chunk(b"VP8X", bytes(4) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little") + bytes(9)),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_each_kind_says_its_size(kind: str) -> None:
    assert pixels(base64.b64encode(IMAGES[kind] + bytes(2_000_000)).decode()) == (640, 480)


@pytest.mark.parametrize("kind", IMAGES)
def test_a_cut_image_or_one_without_a_size_has_none(kind: str) -> None:
    whole = IMAGES[kind]
    for end in (*range(0, len(whole) - 20, 997), 0, 1, 3, 7, 9):
        assert pixels(base64.b64encode(whole[:end]).decode()) is None
    assert pixels(base64.b64encode(whole).decode()[:-1] + "é") is None


def test_nothing_is_made_of_an_image_of_no_width() -> None:
    assert pixels(base64.b64encode(IMAGES["png"][:16] + bytes(20)).decode()) is None
    assert pixels("") is None
    assert pixels(base64.b64encode(b"BM" + bytes(100)).decode()) is None

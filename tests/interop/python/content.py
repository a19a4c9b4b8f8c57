"""An independent reader of what IPFS tools read: CIDs, CARv1, dag-pb and UnixFS files.

Written from the specifications with the standard library alone, so that it shares no mistake with
the lake. Everything is verified; nothing is forgiven.
"""

import base64
import hashlib

RAW, DAG_PB, DAG_CBOR, SHA2_256 = 0x55, 0x70, 0x71, 0x12


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def cid_bytes(text: str) -> bytes:
    """The binary form of a CIDv1 in base32."""
    assert text[0] == "b" and text == text.lower(), text
    digits = text[1:].upper()
    return base64.b32decode(digits + "=" * (-len(digits) % 8))


def cid_text(binary: bytes) -> str:
    """The text of a binary CID."""
    return "b" + base64.b32encode(binary).decode().rstrip("=").lower()


def make_cid(codec: int, data: bytes) -> str:
    """The CID of a block."""
    return cid_text(bytes([1, codec, SHA2_256, 32]) + hashlib.sha256(data).digest())


def parse_cid(binary: bytes, at: int = 0) -> tuple[int, bytes, int]:
    """Codec, sha2-256 digest and end of a binary CID."""
    version, at = varint(binary, at)
    codec, at = varint(binary, at)
    function, at = varint(binary, at)
    length, at = varint(binary, at)
    assert (version, function, length) == (1, SHA2_256, 32), (version, function, length)
    assert len(binary) >= at + length
    return codec, binary[at : at + length], at + length


def codec_of(text: str) -> int:
    """The codec of a CID, which must be whole."""
    binary = cid_bytes(text)
    codec, _, end = parse_cid(binary)
    assert end == len(binary)
    return codec


def read_car(data: bytes) -> tuple[list[str], dict[str, bytes]]:
    """Roots and blocks of a CARv1, every block verified."""
    length, at = varint(data, 0)
    header, end = cbor(data, at)
    assert end == at + length and header["version"] == 1 and set(header) == {"roots", "version"}
    at, blocks = end, {}
    while at < len(data):
        length, at = varint(data, at)
        end = at + length
        assert end <= len(data), "the archive is cut short"
        _, digest, body = parse_cid(data, at)
        block = data[body:end]
        assert hashlib.sha256(block).digest() == digest, "a block does not match its CID"
        cid = cid_text(data[at:body])
        assert cid not in blocks, f"{cid} is in the archive twice"
        blocks[cid] = block
        at = end
    return header["roots"], blocks


def cbor(data: bytes, at: int):
    """A DAG-CBOR value and where it ends; links become their text."""
    major, small = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        if small == 27:
            raise ValueError("floats do not occur where this is used")
        return {20: False, 21: True, 22: None}[small], at
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(small, 0)
    number = int.from_bytes(data[at : at + size]) if size else small
    at += size
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        text = data[at : at + number]
        return (text if major == 2 else text.decode()), at + number
    if major == 6:
        inner, at = cbor(data, at)
        assert number == 42 and inner[0] == 0
        return cid_text(inner[1:]), at
    items = []
    for _ in range(number * (2 if major == 5 else 1)):
        item, at = cbor(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if major == 5 else items), at


def fields(message: bytes) -> list[tuple[int, object]]:
    """Numbers and values of a protobuf message, in order."""
    found, at = [], 0
    while at < len(message):
        tag, at = varint(message, at)
        if tag & 7 == 0:
            value, at = varint(message, at)
        else:
            assert tag & 7 == 2, "a wire type that dag-pb does not have"
            length, at = varint(message, at)
            value, at = message[at : at + length], at + length
        found.append((tag >> 3, value))
    return found


def links(node: bytes) -> list[tuple[str, str, int]]:
    """CID, name and cumulative size of every link of a dag-pb node."""
    found = []
    for number, value in fields(node):
        if number == 2:
            link = dict(fields(value))
            found.append((cid_text(link[1]), link.get(2, b"").decode(), link.get(3, 0)))
    return found


def file_bytes(blocks: dict[str, bytes], cid: str) -> bytes:
    """The content of a UnixFS file, its sizes checked on the way."""
    if codec_of(cid) == RAW:
        return blocks[cid]
    node = blocks[cid]
    unixfs = fields(dict(fields(node))[1])
    assert dict(unixfs)[1] == 2, f"{cid} is no file"
    pieces = [file_bytes(blocks, child) for child, _, _ in links(node)]
    assert [value for number, value in unixfs if number == 4] == [len(piece) for piece in pieces]
    content = b"".join(pieces)
    assert dict(unixfs)[3] == len(content)
    return content


def folder(blocks: dict[str, bytes], cid: str) -> dict[str, str]:
    """Names and CIDs of a plain UnixFS folder, in order."""
    node = blocks[cid]
    assert dict(fields(dict(fields(node))[1]))[1] == 1, f"{cid} is no plain folder"
    return {name: child for child, name, _ in links(node)}

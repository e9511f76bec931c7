#!/usr/bin/env python3
"""Reads a pcapng file and prints a JSON object for each packet, one a line.

usage: pcapng.py FILE

Reads by the format's description (draft-ietf-opsawg-pcapng), not by the library that wrote the file.
Only the standard library. Fails on anything that a strict reader would refuse.
"""

import json
import struct
import sys

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
COMMENT, FLAGS, IF_NAME, IF_TSRESOL, IF_DROPPED = 1, 2, 2, 9, 5


def blocks(data):
    """Type and body of each block; lengths are there twice and must agree."""
    offset = 0
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        assert length % 4 == 0 and length >= 12, f"length {length} at {offset}"
        assert offset + length <= len(data), f"block at {offset} is cut off"
        (again,) = struct.unpack_from("<I", data, offset + length - 4)
        assert length == again, f"lengths differ at {offset}: {length}, {again}"
        yield kind, data[offset + 8 : offset + length - 4]
        offset += length


def options(data):
    """Values by code; each is padded to 32 bits."""
    found = {}
    while data:
        code, length = struct.unpack_from("<HH", data)
        if code == 0:
            break
        assert 4 + length <= len(data), f"option {code} is cut off"
        found.setdefault(code, data[4 : 4 + length])
        data = data[4 + (length + 3) // 4 * 4 :]
    return found


def read_packet(body, interfaces):
    number, high, low, captured, length = struct.unpack_from("<IIIII", body)
    name, resolution = interfaces[number]
    data = body[20 : 20 + captured]
    assert len(data) == captured <= length, f"{captured} of {length} bytes"
    found = options(body[20 + (captured + 3) // 4 * 4 :])
    return {
        "interface": name,
        "seconds": (high << 32 | low) / 10**resolution,
        "comment": found[COMMENT].decode(),
        "inbound": struct.unpack("<I", found[FLAGS])[0] & 3 == 1,
        "length": length,
        "frame": data.hex(),
    }


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    interfaces = []
    for number, (kind, body) in enumerate(blocks(data)):
        assert (kind == SECTION) == (number == 0), "one section, at the beginning"
        if kind == SECTION:
            magic, major, minor = struct.unpack_from("<IHH", body)
            assert (magic, major, minor) == (0x1A2B3C4D, 1, 0)
        elif kind == INTERFACE:
            assert struct.unpack_from("<H", body)[0] == 1, "Ethernet"
            found = options(body[8:])
            interfaces.append((found[IF_NAME].decode(), found[IF_TSRESOL][0]))
        elif kind == PACKET:
            print(json.dumps(read_packet(body, interfaces)))
        else:
            assert kind == STATISTICS, f"block type {kind}"
            assert IF_DROPPED in options(body[12:])


if __name__ == "__main__":
    main()

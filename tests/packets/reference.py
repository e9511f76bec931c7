#!/usr/bin/env python3
"""Judges what Viaduct sent: scapy computes every length and checksum again.

  reference.py SUITE DUMP     SUITE: folder of cases; DUMP: what `viaduct check packets --dump` wrote

Nothing here knows what was to be sent. A field is wrong if scapy, given the rest of the packet,
would have written another. Packets that are quoted in ICMP errors are cut short: of them only
the IPv4 header's checksum is computed. Fragments are judged one by one, and put together.
"""

import pathlib
import re
import sys
import tomllib

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror
from scapy.layers.inet6 import ICMPv6Unknown, IPv6, IPv6ExtHdrFragment, _ICMPv6
from scapy.layers.l2 import Ether
from scapy.packet import NoPayload, Padding, Raw
from scapy.utils import rdpcap

# Where tunnels end in the suite (`world.py`).
GUE_PORT = 6080

# What scapy fills in when it is not given.
COMPUTED = {IP: ("len", "chksum", "ihl"), IPv6: ("plen",), TCP: ("chksum", "dataofs"), UDP: ("len", "chksum"), ICMP: ("chksum",)}


def layers(packet):
    while not isinstance(packet, NoPayload):
        yield packet
        packet = packet.payload


def may_go_without(datagram):
    """A UDP checksum of zero is none: over IPv4 (RFC 768), and around a tunnel's packet (RFC 6935)."""
    return not isinstance(datagram.underlayer, IPv6) or datagram.dport == GUE_PORT


def fragment_of(packet):
    """The IP layer with the headers of a fragment, its datagram's name, and where it starts; or `None`."""
    if IPv6ExtHdrFragment in packet:
        part = packet[IPv6ExtHdrFragment]
        return part, (packet[IPv6].src, packet[IPv6].dst, part.id), part.offset * 8, bool(part.m)
    if IP in packet and (packet[IP].flags.MF or packet[IP].frag):
        part = packet[IP]
        return part, (part.src, part.dst, part.id, part.proto), part.frag * 8, bool(part.flags.MF)
    return None


def computed_fields(layer):
    """The computed fields of a layer."""
    fields = COMPUTED.get(type(layer), ())
    if isinstance(layer, (_ICMPv6, ICMPv6Unknown)) and hasattr(layer, "cksum"):
        fields = ("cksum",)
    if isinstance(layer, UDP) and layer.chksum == 0 and may_go_without(layer):
        fields = ("len",)
    return fields


def again(frame):
    """The frame as scapy writes it, with what it computes left out before."""
    packet = Ether(frame)
    part = fragment_of(packet)
    for layer in layers(packet):
        if isinstance(layer, IPerror) or part and isinstance(layer, (TCP, UDP)):
            break
        layer.raw_packet_cache = None
        for field in computed_fields(layer):
            layer.delfieldval(field)
    return bytes(packet)


def quoted_header_is_right(frame):
    """The IPv4 header in an ICMP error, whose own checksum the quotation keeps."""
    packet = Ether(frame)
    if IPerror not in packet:
        return True
    quoted = packet[IPerror]
    header = bytes(quoted)[: quoted.ihl * 4]
    words = sum(int.from_bytes(header[at : at + 2], "big") for at in range(0, len(header), 2))
    return words % 0xFFFF == 0


def layout(frame):
    return "/".join(type(layer).__name__ for layer in layers(Ether(frame)) if not isinstance(layer, (Raw, Padding)))


def problems(frame):
    expected = again(frame)
    if expected != frame:
        at = next((n for n, (a, b) in enumerate(zip(expected, frame)) if a != b), min(len(expected), len(frame)))
        yield f"byte {at} of {layout(frame)}: sent {frame[at:at+4].hex()}, computed {expected[at:at+4].hex()}"
    if not quoted_header_is_right(frame):
        yield f"the IPv4 header that {layout(frame)} quotes has a wrong checksum"


def cases(folder):
    """File name in the dump and whether the case's checksums count, of each case."""
    for path in sorted(folder.glob("*.toml")):
        for case in tomllib.loads(path.read_text())["case"]:
            name = re.sub("[^A-Za-z0-9-]", "_", f"{path.stem}--{case['name']}")
            yield f"{name}.pcap", case.get("wrong_checksums", False)


def wholes(frames):
    """The datagrams that are complete in fragments, as frames of their own."""
    parts = {}
    for packet in map(Ether, frames):
        found = fragment_of(packet)
        if found:
            part, name, start, more = found
            parts.setdefault(name, (packet, {}))[1][start] = (bytes(part.payload), more)
    for packet, pieces in parts.values():
        data, ends = b"", False
        while not ends and len(data) in pieces:
            piece, more = pieces[len(data)]
            data, ends = data + piece, not more
        if not ends:
            continue
        if IPv6ExtHdrFragment in packet:
            header = IPv6(src=packet[IPv6].src, dst=packet[IPv6].dst, nh=packet[IPv6ExtHdrFragment].nh)
        else:
            header = IP(src=packet[IP].src, dst=packet[IP].dst, proto=packet[IP].proto)
        yield bytes(Ether(src=packet.src, dst=packet.dst) / header / Raw(data))


def main():
    suite, dump = map(pathlib.Path, sys.argv[1:])
    judged, wrong = 0, 0
    for name, wrong_checksums in cases(suite):
        if wrong_checksums:
            continue
        frames = [bytes(packet) for packet in rdpcap(str(dump / name))]
        for number, frame in enumerate([*frames, *wholes(frames)], 1):
            judged += 1
            for problem in problems(frame):
                wrong += 1
                print(f"{name}, frame {number}: {problem}")
    print(f"{judged} frames, {wrong} problems")
    raise SystemExit(0 if judged and not wrong else 1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Sends broken packets, as they would never leave a kernel, through a packet socket.

usage: malformed.py INTERFACE DESTINATION_MAC SOURCE_IP VIP PORT CASE COUNT

CASE is the drop reason that the packet should be counted under. Only the standard library.
"""

import socket
import struct
import sys

ETHERTYPE_IPV4 = 0x0800
TCP, UDP = 6, 17


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload, version_ihl=0x45, length=None):
    """An IPv4 packet with a correct header checksum."""
    length = 20 + len(payload) if length is None else length
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    fields = (version_ihl, 0, length, 1, 0, 64, protocol)
    head = struct.pack("!BBHHHBB", *fields)
    return head + struct.pack("!H", checksum(head + b"\0\0" + addresses)) + addresses + payload


def pseudo_header(source, destination, protocol, length):
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    return addresses + struct.pack("!BBH", 0, protocol, length)


def syn(source, destination, port, data_offset=5):
    """A TCP SYN with a correct checksum."""
    segment = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, data_offset << 4, 2, 65535, 0, 0)
    pseudo = pseudo_header(source, destination, TCP, len(segment))
    return segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]


def datagram(length, port):
    """A UDP datagram of 12 bytes that claims another length; no checksum."""
    return struct.pack("!HHHH", 40000, port, length, 0) + b"data"


def packet(case, source, vip, port):
    """The IPv4 packet of a case."""
    good = ipv4(source, vip, TCP, syn(source, vip, port))
    if case == "truncated":
        return ipv4(source, vip, TCP, syn(source, vip, port)[:8])
    if case == "ipv4_header":
        return ipv4(source, vip, TCP, syn(source, vip, port), version_ihl=0x44)
    if case == "ipv4_length":
        return ipv4(source, vip, TCP, syn(source, vip, port), length=1400)
    if case == "ipv4_checksum":
        return good[:10] + bytes([good[10] ^ 0xFF]) + good[11:]
    if case == "tcp_header":
        return ipv4(source, vip, TCP, syn(source, vip, port, data_offset=4))
    if case == "udp_length":
        return ipv4(source, vip, UDP, datagram(1400, port))
    if case == "not_local":
        return ipv4(source, "192.0.2.1", TCP, syn(source, "192.0.2.1", port))
    raise SystemExit(f"unknown case {case}")


def main():
    interface, mac, source, vip, port, case, count = sys.argv[1:]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packets:
        packets.bind((interface, 0))
        own = packets.getsockname()[4]
        head = bytes.fromhex(mac.replace(":", "")) + own + struct.pack("!H", ETHERTYPE_IPV4)
        frame = head + packet(case, source, vip, int(port))
        for _ in range(int(count)):
            packets.send(frame)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Plays cases of the packet suite on the far side of a real port, byte for byte.

  port.py INTERFACE SUITE CASE...    cases of a suite's file, by name

Answers for the setup's stations. After each step echo requests follow. A worker takes frames in
order, and turn by turn; so when nothing but their replies has come from two of them in turn,
everything that the step sent has come. Needs no scapy.
"""

import re
import socket
import struct
import sys
import tomllib

DEADLINE = 10.0
ICMPV6, SOLICITATION = 58, 135
ETH_P_ALL = 3
# Of the echo requests: nobody else's.
FENCE = b"\xfe\x1cfence"


def frame(text):
    """A frame of the suite; `None` for a byte that is not compared."""
    one = lambda digits: None if digits == "??" else int(digits, 16)
    found = []
    for run, count, single in re.findall(r"\{(..)\*(\d+)\}|([0-9a-fA-F?]{2})", text.replace(" ", "")):
        found += [one(run)] * int(count) if count else [one(single)]
    return found


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def advertisement(target, to, station):
    """The IPv6 packet that answers a solicitation (RFC 4861, 4.4): solicited, overriding."""
    message = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + target + b"\x02\x01" + station
    pseudo = target + to + struct.pack("!II", len(message), ICMPV6)
    message = message[:2] + checksum(pseudo + message) + message[4:]
    return struct.pack("!IHBB", 0x60000000, len(message), ICMPV6, 255) + target + to + message


def is_own_affair(data):
    """Announcements of Viaduct's addresses and probes for them, which come when they come."""
    if data[12:14] == b"\x08\x06":
        return data[28:32] in (data[38:42], bytes(4))
    from_nobody, to_all = data[22:38] == bytes(16), data[38:54] == packed("ff02::1")
    return data[12:14] == b"\x86\xdd" and data[20] == ICMPV6 and (from_nobody or to_all)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


class Port:
    """The kernel's side of the port, with the stations behind it."""

    def __init__(self, interface, setup):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, 0))
        self.socket.settimeout(DEADLINE)
        self.ours = mac(setup["port"][0]["mac"])
        self.own = socket.inet_aton(setup["port"][0]["ipv4"].split("/")[0])
        self.stations = {packed(ip): mac(at) for ip, at in setup["stations"].items()}
        self.fences = 0

    def receive(self):
        """The next frame that the port sends, not one that goes to it."""
        while True:
            data, (_, _, kind, _, _) = self.socket.recvfrom(1 << 16)
            if kind != socket.PACKET_OUTGOING:
                return data

    def answer(self, data):
        """Answers a question to a station; true if it was one."""
        if data[12:14] == b"\x08\x06" and data[20:22] == b"\0\1":
            mac_of = self.stations.get(data[38:42])
            body = lambda: data[14:20] + b"\0\2" + mac_of + data[38:42] + data[22:32]
        elif data[12:14] == b"\x86\xdd" and data[20] == ICMPV6 and data[54] == SOLICITATION:
            mac_of = self.stations.get(data[62:78])
            body = lambda: advertisement(data[62:78], data[22:38], mac_of)
        else:
            return False
        if mac_of is not None:
            self.socket.send(data[6:12] + mac_of + data[12:14] + body())
        return mac_of is not None

    def fence(self):
        """Asks for an echo, and returns what tells its reply."""
        self.fences += 1
        body = FENCE + struct.pack("!I", self.fences)
        icmp = lambda kind: kind + b"\0" + checksum(kind + b"\0\0\0" + body) + body
        client, address = bytes(6 * [2]), socket.inet_aton("10.99.255.254")
        head = struct.pack("!BBHHHBB", 0x45, 0, 24 + len(body), 0, 0, 64, 1)
        header = head + checksum(head + b"\0\0" + address + self.own) + address + self.own
        self.socket.send(self.ours + client + b"\x08\x00" + header + icmp(b"\x08"))
        return icmp(b"\0")

    def sent(self):
        """What the port has sent until now, without questions to stations."""
        frames, quiet, reply = [], 0, self.fence()
        while True:
            data = self.receive()
            if data.endswith(reply):
                quiet += 1
                if quiet > 2:
                    return frames
                reply = self.fence()
                continue
            quiet = 0
            if not is_own_affair(data) and not self.answer(data):
                frames.append(data)


def differs(expected, got):
    return len(expected) != len(got) or any(e is not None and e != g for e, g in zip(expected, got))


def play(port, case):
    """What is not as expected."""
    for number, step in enumerate(case["step"], 1):
        if "frame" in step:
            port.socket.send(bytes(frame(step["frame"])))
        expected = [frame(out["frame"]) for out in step.get("out", [])]
        sent = port.sent()
        if len(sent) != len(expected):
            yield f"step {number}: expected {len(expected)} frames, got {[data.hex() for data in sent]}"
        for want, got in zip(expected, sent):
            if differs(want, got):
                readable = bytes(byte or 0 for byte in want).hex()
                yield f"step {number}: expected {readable}\n             got {got.hex()}"


def main():
    interface, path, *names = sys.argv[1:]
    with open(path, "rb") as file:
        suite = tomllib.load(file)
    failed = False
    cases = {case["name"]: case for case in suite["case"]}
    for name in names:
        case = cases[name]
        problems = list(play(Port(interface, suite["setup"][case["setup"]]), case))
        print(f"{'FAILED' if problems else 'ok    '}  {name}", *problems, sep="\n    ")
        failed |= bool(problems)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""The modes besides nat, for TCP and UDP over IPv4 and IPv6: what backends get, and their answers."""

import struct

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .world import (
    ANSWER, ANSWERED, ASK, ASKED, BACKEND, BACKEND6, BACKEND_MAC, CLIENT, GUE_PORT, OURS, OWN, OWN6, VIP,
    VIP6, VIP_PORT, far, service, setup, six, tcp, udp,
)
from .writing import Case, Step

FAMILIES = {"IPv4": (VIP, BACKEND), "IPv6": (VIP6, BACKEND6)}
# Tunnels and direct return leave the destination port alone: backends have the VIP's.
SAME_PORT = {"backend_port": VIP_PORT}


def both(mode, vip, backend, **keys):
    return setup(*(service(protocol, [backend], mode, vip, **keys) for protocol in ("tcp", "udp")))


def setups():
    for family, (vip, backend) in FAMILIES.items():
        yield f"gateway_{family}", both("gateway", vip, backend)
        yield f"dsr_{family}", both("dsr", vip, backend, **SAME_PORT)
        for outer, (_, target) in FAMILIES.items():
            yield f"ipip_{family}_in_{outer}", both("ipip", vip, target, **SAME_PORT)
            yield f"gue_{family}_in_{outer}", both("gue", vip, target, **SAME_PORT)
            yield f"gue0_{family}_in_{outer}", {**both("gue", vip, target, **SAME_PORT), "gue_variant": 0}


SETUPS = dict(setups())


def variants(family):
    """Name, request and reply of each protocol; how ends are of the family."""
    of_family = six if family == "IPv6" else lambda ends: ends
    # IPv6 has no ID and no DF.
    fields = {} if family == "IPv4" else {"ip": {}}
    yield "TCP", tcp("S", **fields), tcp("SA", **fields), of_family
    yield "UDP", udp(**fields), udp(b"answer", **fields), of_family


# A request and its answer, each as it comes and as it leaves: the client stays in it.
GATEWAY = (
    ASK, ASKED.but(ips=(CLIENT, BACKEND), ports=(ASK.ports[0], ASKED.ports[1])),
    ANSWER.but(ips=(BACKEND, CLIENT), ports=(ANSWER.ports[0], ASK.ports[0])), ANSWERED,
)


def gateway():
    for family in FAMILIES:
        for name, make, back, of_family in variants(family):
            ask, asked, answer, answered = (of_family(far(ends)) for ends in GATEWAY)
            yield Case(
                f"gateway: {name} over {family}",
                Step(make(ask), [make(asked)], "forward", flows_made=1),
                Step(back(answer), [back(answered)], "forward"),
                setup=f"gateway_{family}",
            )
            yield Case(
                f"gateway: {name} over {family} from the backend's own segment is translated as in nat",
                Step(make(of_family(ASK)), [make(of_family(ASKED))], "forward", flows_made=1),
                Step(back(of_family(ANSWER)), [back(of_family(ANSWERED))], "forward"),
                setup=f"gateway_{family}",
            )


def dsr():
    for family in FAMILIES:
        for name, make, _, of_family in variants(family):
            ask = of_family(ASK)
            yield Case(
                f"dsr: {name} over {family}",
                Step(make(ask), [make(ask.but(macs=(OURS, BACKEND_MAC), ttl=63))], "forward", flows_made=1),
                setup=f"dsr_{family}",
            )


def outer_header(outer, protocol, inner_tos=0):
    """The header around a packet: the DSCP and ECN of the packet in it (RFC 6040, 4.1), 64 hops."""
    if outer == "IPv4":
        return IP(src=OWN, dst=BACKEND, proto=protocol, ttl=64, tos=inner_tos, flags="DF", id=0)
    return IPv6(src=OWN6, dst=BACKEND6, nh=protocol, hlim=64, tc=inner_tos)


# Where the flow label of an outer IPv6 header is, which comes from the flow (RFC 6438).
LABEL = (15, 18)


def number_of(family):
    return 4 if family == "IPv4" else 41


def opened(frame, *places):
    """A frame whose bytes at these places are not compared."""
    frame = list(bytes(frame))
    for start, end in places:
        frame[start:end] = [None] * (end - start)
    return frame


def in_ip(outer, family, inner, tos=0):
    packet = Ether(src=OURS, dst=BACKEND_MAC) / outer_header(outer, number_of(family), tos) / Raw(bytes(inner))
    # An IPv4 header's ID, and so its checksum, are free where there is DF (RFC 6864).
    return opened(packet, (18, 20), (24, 26)) if outer == "IPv4" else opened(packet, LABEL)


def in_gue(outer, family, inner, tos=0, header=b""):
    """GUE variant 1, the packet right behind the UDP header (draft-ietf-intarea-gue, 4); any source
    port, and no checksum (RFC 6935)."""
    packet = Ether(src=OURS, dst=BACKEND_MAC) / outer_header(outer, 17, tos)
    packet = packet / UDP(sport=0, dport=GUE_PORT, chksum=0) / Raw(header + bytes(inner))
    if outer == "IPv4":
        return opened(packet, (18, 20), (24, 26), (34, 36))
    return opened(packet, LABEL, (54, 56))


def in_gue_header(outer, family, inner, tos=0):
    """GUE variant 0 without extensions (draft-ietf-intarea-gue, 3)."""
    return in_gue(outer, family, inner, tos, struct.pack("!BBH", 0, number_of(family), 0))


def tunnels():
    for mode, wrap in (("ipip", in_ip), ("gue", in_gue), ("gue0", in_gue_header)):
        for family in FAMILIES:
            for outer in FAMILIES:
                for name, make, _, of_family in variants(family):
                    ask = of_family(ASK)
                    inner = make(ask.but(ttl=63)).payload
                    yield Case(
                        f"{mode}: {name} over {family} in {outer}",
                        Step(make(ask), [wrap(outer, family, inner)], "forward", flows_made=1),
                        setup=f"{mode}_{family}_in_{outer}",
                    )
        make = udp(ip={"tos": 0xB9})
        yield Case(
            f"{mode}: DSCP and ECN are those of the packet inside",
            Step(make(ASK), [wrap("IPv4", "IPv4", make(ASK.but(ttl=63)).payload, 0xB9)], "forward", flows_made=1),
            setup=f"{mode}_IPv4_in_IPv4",
        )


def cases():
    for group in (gateway, dsr, tunnels):
        yield from group()

"""Fragments of one datagram go the same way, in both directions and in any order that can be helped."""

from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .world import (
    ANSWER, ANSWERED, ASK, ASKED, BACKEND6, VIP6, service, setup, six, udp,
)
from .writing import Case, Step

SETUPS = {
    "plain": setup(),
    "six": setup(service("tcp", [BACKEND6], vip=VIP6), service("udp", [BACKEND6], vip=VIP6)),
}
DATA = bytes(range(256)) * 4
SIZE = 512


def pieces(ends):
    """The fragments of one datagram between these ends."""
    whole = Ether(bytes(udp(DATA, ip={"flags": 0})(ends)))
    header = Ether(src=ends.macs[0], dst=ends.macs[1])
    return [header / piece for piece in fragment(whole[IP], fragsize=SIZE)]


def pieces6(ends):
    """The same over IPv6: offsets count in units of eight bytes (RFC 8200, 4.5)."""
    whole = bytes(Ether(bytes(udp(DATA)(ends)))[UDP])
    header = Ether(src=ends.macs[0], dst=ends.macs[1])
    for start in range(0, len(whole), SIZE):
        extension = IPv6ExtHdrFragment(nh=17, offset=start // 8, m=int(start + SIZE < len(whole)), id=0xBEEF)
        packet = IPv6(src=ends.ips[0], dst=ends.ips[1], hlim=ends.ttl) / extension
        yield header / packet / Raw(whole[start : start + SIZE])


def in_order(cut, arriving, leaving, **keys):
    for number, (before, after) in enumerate(zip(cut(arriving), cut(leaving))):
        yield Step(before, [after], "forward", **(keys if number == 0 else {}))


def cases():
    yield Case(
        "fragments over IPv4, there and back",
        *in_order(pieces, ASK, ASKED, flows_made=1), *in_order(pieces, ANSWER, ANSWERED),
    )
    yield Case(
        "fragments over IPv6, there and back",
        *in_order(pieces6, six(ASK), six(ASKED), flows_made=1), *in_order(pieces6, six(ANSWER), six(ANSWERED)),
        setup="six",
    )

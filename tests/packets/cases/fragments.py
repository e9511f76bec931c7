"""Fragments of one datagram go the same way, in both directions and in any order that can be helped."""

from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .world import (
    ANSWER, ANSWERED, ASK, ASKED, BACKEND6, VIP6, service, setup, six, tcp, udp,
)
from .writing import Case, Step

SETUPS = {
    "plain": setup(),
    "six": setup(service("tcp", [BACKEND6], vip=VIP6), service("udp", [BACKEND6], vip=VIP6)),
}
# Fragments of one datagram that wait (see `fragments/`).
WAITING = 32
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


def early(cut, arriving, leaving, **keys):
    """Later fragments first: they wait for the first, and follow it."""
    first, *later = list(cut(arriving))
    out = list(cut(leaving))
    for piece in later:
        yield Step(piece, verdicts={"hold": 1})
    count = len(later)
    yield Step(first, out, {"forward": 1 + count, "hold": -count}, **keys)


def odd_ones():
    first, *later = pieces(ASK)
    yield Case(
        "a later fragment whose first one does not come is given up",
        Step(later[0], verdicts={"hold": 1}), Step(advance="2s", verdicts={"hold": -1, "drop fragment_timeout": 1}),
    )
    yield Case(
        "so many fragments of a datagram wait and no more",
        Step(later[0], verdicts={"hold": WAITING, "drop fragment_queue": 1}, repeat=WAITING + 1),
    )
    others = pieces(ASK.but(ports=(4001, ASK.ports[1])))
    yield Case(
        "two first fragments with different ports",
        Step(first, [pieces(ASKED)[0]], "forward", flows_made=1), Step(others[0], verdicts="drop fragment_conflict"),
    )
    whole = Ether(bytes(tcp("S", DATA, ip={"flags": 0})(ASK)))[IP]
    tiny = fragment(whole, fragsize=8)[0]
    header = Ether(src=ASK.macs[0], dst=ASK.macs[1])
    yield Case("a first fragment without its whole header", Step(header / tiny, verdicts="drop fragment_tiny"))
    overlapping = fragment(whole, fragsize=24)[1]
    overlapping.frag = 1
    yield Case(
        "a fragment over the transport header (RFC 1858)", Step(header / overlapping, verdicts="drop fragment_tiny"),
    )


def cases():
    yield from odd_ones()
    yield Case("later fragments first, over IPv4", *early(pieces, ASK, ASKED, flows_made=1))
    yield Case("later fragments first, over IPv6", *early(lambda ends: list(pieces6(ends)), six(ASK), six(ASKED), flows_made=1), setup="six")
    yield Case(
        "fragments over IPv4, there and back",
        *in_order(pieces, ASK, ASKED, flows_made=1), *in_order(pieces, ANSWER, ANSWERED),
    )
    yield Case(
        "fragments over IPv6, there and back",
        *in_order(pieces6, six(ASK), six(ASKED), flows_made=1), *in_order(pieces6, six(ANSWER), six(ANSWERED)),
        setup="six",
    )

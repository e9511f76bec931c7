"""Mode nat over IPv6, extension headers, neighbor discovery and echo."""

from scapy.layers.inet6 import (
    ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
    IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN,
)
from scapy.layers.inet import UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .world import (
    ANSWER, ANSWERED, ASK, ASKED, BACKEND6, CLIENT6, CLIENT_MAC, OURS, OWN6, SNAT6, VIP6, frame_of, service, setup,
    six, solicited_node, tcp, udp,
)
from .told import no_hop
from .writing import Case, Step

SETUPS = {"plain": setup(service("tcp", [BACKEND6], vip=VIP6), service("udp", [BACKEND6], vip=VIP6))}


def asks(make, **keys):
    return Step(make(six(ASK)), [make(six(ASKED))], "forward", **keys)


def answers(make, **keys):
    return Step(make(six(ANSWER)), [make(six(ANSWERED))], "forward", **keys)


def flows():
    yield Case(
        "a TCP connection over IPv6",
        asks(tcp("S"), flows_made=1), answers(tcp("SA")), asks(tcp("A")), asks(tcp("PA", b"GET /")),
        answers(tcp("PA", b"200")), answers(tcp("FA")), asks(tcp("FA")), answers(tcp("A")),
    )
    yield Case("UDP over IPv6 there and back", asks(udp(), flows_made=1), answers(udp(b"answer")))
    marked = udp(ip={"tc": 0xB9, "fl": 0xBEEF})
    yield Case("traffic class and flow label are left alone", asks(marked, flows_made=1))
    yield Case("the most hops over IPv6", Step(
        udp()(six(ASK.but(ttl=255))), [udp()(six(ASKED.but(ttl=254)))], "forward", flows_made=1))
    last = udp()(six(ASK.but(ttl=1)))
    yield Case("no hop to live over IPv6", Step(last, [no_hop(last, OWN6)], "drop ttl_expired"))
    data = b"a" * (1500 - 40 - 8)
    yield Case("the MTU full of UDP over IPv6", asks(udp(data), flows_made=1), answers(udp(data)))


def extended(*headers):
    """How to make a UDP packet with these extension headers."""

    def make(ends):
        packet = IPv6(src=ends.ips[0], dst=ends.ips[1], hlim=ends.ttl)
        for header in headers:
            packet = packet / header.copy()
        return frame_of(ends, packet / UDP(sport=ends.ports[0], dport=ends.ports[1]) / Raw(b"question"))

    return make


def extensions():
    hop, destination = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]), IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])
    yield Case("hop-by-hop options", asks(extended(hop), flows_made=1))
    yield Case("destination options", asks(extended(destination), flows_made=1))
    yield Case("both kinds of options", asks(extended(hop, destination), flows_made=1))


def solicitation(target, sender=CLIENT6):
    group, mac = solicited_node(target)
    packet = IPv6(src=sender, dst=group, hlim=255) / ICMPv6ND_NS(tgt=target)
    return Ether(src=CLIENT_MAC, dst=mac) / packet / ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC)


def advertisement(target):
    """The answer: solicited, overriding, and not a router's."""
    packet = IPv6(src=target, dst=CLIENT6, hlim=255) / ICMPv6ND_NA(tgt=target, R=0, S=1, O=1)
    return Ether(src=OURS, dst=CLIENT_MAC) / packet / ICMPv6NDOptDstLLAddr(lladdr=OURS)


def discovery():
    for name, address in (("its own address", OWN6), ("a source address", SNAT6), ("a VIP", VIP6)):
        yield Case(f"solicitation of {name}", Step(solicitation(address), [advertisement(address)], "reply"))
    yield Case("solicitation of somebody else", Step(solicitation(BACKEND6), verdicts="absorb"))


def echo():
    for name, address in (("its own address", OWN6), ("a VIP", VIP6)):
        fields = {"id": 9, "seq": 1, "data": b"ping"}
        there = Ether(src=CLIENT_MAC, dst=OURS) / IPv6(src=CLIENT6, dst=address, hlim=17) / ICMPv6EchoRequest(**fields)
        back = Ether(src=OURS, dst=CLIENT_MAC) / IPv6(src=address, dst=CLIENT6, hlim=64) / ICMPv6EchoReply(**fields)
        yield Case(f"ICMPv6 echo to {name}", Step(there, [back], "reply"))


def changed(frame, at, *octets):
    frame = bytearray(bytes(frame))
    frame[at : at + len(octets)] = octets
    return bytes(frame)


def malformed():
    good = udp()(six(ASK))
    yield Case("another version than 6", Step(changed(good, 14, 0x50), verdicts="drop ipv6_header"))
    yield Case("a payload beyond the frame", Step(changed(good, 18, 0, 200), verdicts="drop ipv6_length"))
    for name, source in (("multicast", "ff02::1"), ("loopback", "::1"), ("Viaduct's own", OWN6), ("a VIP", VIP6)):
        frame = udp()(six(ASK).but(ips=(source, VIP6)))
        yield Case(f"from {source}, {name}", Step(frame, verdicts="drop ipv6_source"))
    routing = IPv6ExtHdrRouting(type=0, addresses=[BACKEND6])
    yield Case("source routing (RFC 5095)", Step(extended(routing)(six(ASK)), verdicts="drop ipv6_extensions"))
    many = [IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])] * 9
    yield Case("too many extension headers", Step(extended(*many)(six(ASK)), verdicts="drop ipv6_extensions"))
    far_away = solicitation(OWN6)
    far_away[IPv6].hlim = 254
    yield Case("a solicitation from beyond a router", Step(far_away, verdicts="drop nd_invalid"))
    yield Case("somebody has our address", Step(claim(OWN6), verdicts="drop address_conflict"))


def claim(target):
    """An unsolicited advertisement of another station."""
    packet = IPv6(src=target, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=target, R=0, S=0, O=1)
    return Ether(src=CLIENT_MAC, dst="33:33:00:00:00:01") / packet / ICMPv6NDOptDstLLAddr(lladdr=CLIENT_MAC)


def cases():
    for group in (malformed, flows, extensions, discovery, echo):
        yield from group()

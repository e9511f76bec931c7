"""Ethernet, VLANs and ports: who is spoken to, tags that come and go, two ports."""

from scapy.layers.l2 import Dot1AD, Dot1Q, Ether

from .world import (
    ANSWER, ANSWERED, ASK, ASKED, CLIENT_MAC, OURS, STATIONS, port, service, setup, tcp, udp,
)
from .writing import Case, Step

INSIDE, INSIDE_MAC, INSIDE_OURS = "10.100.0.11", "02:00:00:00:02:64", "02:76:0a:64:00:02"
TWO = {"stations": {**STATIONS, INSIDE: INSIDE_MAC}}
SETUPS = {
    "plain": setup(),
    "tagged": setup(ports=[port(vlan=100)]),
    "two_ports": setup(service("tcp", [INSIDE]), service("udp", [INSIDE]), ports=[port(), port(1)], **TWO),
    "one_tagged": setup(service("tcp", [INSIDE]), service("udp", [INSIDE]), ports=[port(), port(1, vlan=100)], **TWO),
    "trunk": setup(
        service("tcp", [INSIDE]), service("udp", [INSIDE]), ports=[port(vlan=7), port(1, vlan=100)], **TWO,
    ),
}
INSIDE_ENDS = ASKED.but(macs=(INSIDE_OURS, INSIDE_MAC), ips=(ASKED.ips[0], INSIDE))
INSIDE_BACK = ANSWER.but(macs=(INSIDE_MAC, INSIDE_OURS), ips=(INSIDE, ANSWER.ips[1]))


def tagged(ends, vlan=100):
    return ends.but(vlan=vlan)


def through(make, reply, outside=None, inside=None):
    """There and back between port 0 and port 1 with their tags."""
    yield Step(
        make(ASK.but(vlan=outside)), [(1, make(INSIDE_ENDS.but(vlan=inside)))], "forward", flows_made=1,
    )
    yield Step(
        reply(INSIDE_BACK.but(vlan=inside)), [reply(ANSWERED.but(vlan=outside))], "forward", port=1,
    )


def tags():
    for name, make, back in (("UDP", udp(), udp(b"answer")), ("TCP", tcp("S"), tcp("SA"))):
        yield Case(
            f"{name} in the port's VLAN",
            Step(make(tagged(ASK)), [make(tagged(ASKED))], "forward", flows_made=1),
            Step(back(tagged(ANSWER)), [back(tagged(ANSWERED))], "forward"), setup="tagged",
        )
        yield Case(f"{name} between two ports", *through(make, back), setup="two_ports")
        yield Case(f"{name} gets a tag and loses it", *through(make, back, inside=100), setup="one_tagged")
        yield Case(f"{name} changes its tag", *through(make, back, outside=7, inside=100), setup="trunk")
    priority = Ether(src=CLIENT_MAC, dst=OURS) / Dot1Q(vlan=0, prio=5) / udp()(ASK).payload
    yield Case("a priority tag counts as none", Step(priority, [udp()(ASKED)], "forward", flows_made=1))


def refused():
    body = udp()(ASK).payload
    ethernet = Ether(src=CLIENT_MAC, dst=OURS)
    drop = {"verdicts": "drop vlan"}
    yield Case("a tag where there should be none", Step(udp()(tagged(ASK)), **drop))
    yield Case("no tag where there should be one", Step(udp()(ASK), **drop), setup="tagged")
    yield Case("another VLAN", Step(udp()(tagged(ASK, 101)), **drop), setup="tagged")
    yield Case("the reserved VLAN 4095", Step(ethernet / Dot1Q(vlan=4095) / body, **drop))
    yield Case("two tags", Step(
        ethernet / Dot1Q(vlan=100) / Dot1Q(vlan=7) / body, verdicts="drop ethertype"), setup="tagged")
    yield Case("a provider's tag", Step(ethernet / Dot1AD(vlan=100) / body, verdicts="drop ethertype"))
    yield Case("a tag cut short", Step(bytes(udp()(tagged(ASK)))[:17], verdicts="drop truncated"))
    stranger = ASK.but(macs=(CLIENT_MAC, "02:00:00:00:09:09"))
    yield Case("somebody else's frame", Step(udp()(stranger), verdicts="drop not_for_us"))
    for name, mac in (("broadcast", "ff:ff:ff:ff:ff:ff"), ("multicast", "01:00:5e:00:00:01")):
        yield Case(f"IPv4 by {name}", Step(udp()(ASK.but(macs=(CLIENT_MAC, mac))), verdicts="drop not_for_us"))


def cases():
    yield from tags()
    yield from refused()

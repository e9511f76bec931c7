"""ICMP errors about a flow reach whom they concern, with the packet that they quote translated back."""

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .nat import answers, asks
from .world import (
    ANSWER, ANSWERED, ASK, ASKED, BACKEND6, BACKEND_MAC, CLIENT, CLIENT6, CLIENT_MAC, OURS, ROUTER, ROUTER6,
    ROUTER_MAC, SNAT, SNAT6, VIP, VIP6, service, setup, six, tcp, udp,
)
from .writing import Case, Step

SETUPS = {
    "plain": setup(),
    "six": setup(service("tcp", [BACKEND6], vip=VIP6), service("udp", [BACKEND6], vip=VIP6)),
}
BACKEND = ASKED.ips[1]
KINDS = {
    "fragmentation needed": {"type": 3, "code": 4, "nexthopmtu": 1400},
    "port unreachable": {"type": 3, "code": 3},
    "time exceeded": {"type": 11, "code": 0},
}
KINDS6 = {
    "packet too big": lambda: ICMPv6PacketTooBig(mtu=1400),
    "port unreachable": lambda: ICMPv6DestUnreach(code=4),
    "time exceeded": lambda: ICMPv6TimeExceeded(code=0),
}
# What a router quotes at least: the IP header and eight bytes (RFC 792).
LEAST = 28


def error(macs, ips, ttl, kind, quoted, length):
    """An ICMP error that quotes so many bytes of a packet, as a router saw it."""
    quote = bytes(quoted.payload)[:length]
    return Ether(src=macs[0], dst=macs[1]) / IP(src=ips[0], dst=ips[1], ttl=ttl, id=7) / ICMP(**kind) / Raw(quote)


def both_ways(make, reply, kind, length):
    """A router before the backend complains of what Viaduct sent, one before the client likewise."""
    seen, meant = make(ASKED.but(ttl=60)), make(ASK.but(ttl=60))
    yield Step(
        error((ROUTER_MAC, OURS), (ROUTER, SNAT), 64, kind, seen, length),
        [error((OURS, CLIENT_MAC), (ROUTER, CLIENT), 63, kind, meant, length)], "forward",
    )
    seen, meant = reply(ANSWERED.but(ttl=60)), reply(ANSWER.but(ttl=60))
    yield Step(
        error((ROUTER_MAC, OURS), (ROUTER, VIP), 64, kind, seen, length),
        [error((OURS, BACKEND_MAC), (ROUTER, BACKEND), 63, kind, meant, length)], "forward",
    )


def over_ipv4():
    protocols = (("UDP", udp(), udp(b"answer")), ("TCP", tcp("S"), tcp("SA")))
    for protocol, make, reply in protocols:
        for name, kind in KINDS.items():
            for length, what in ((LEAST, "the least"), (1500, "all")):
                yield Case(
                    f"{name} about {protocol}, {what} of it quoted",
                    asks(make, flows_made=1), answers(reply), *both_ways(make, reply, kind, length),
                )


def error6(macs, ips, hops, kind, quoted):
    return Ether(src=macs[0], dst=macs[1]) / IPv6(src=ips[0], dst=ips[1], hlim=hops) / kind() / Raw(bytes(quoted.payload))


def over_ipv6():
    for name, kind in KINDS6.items():
        ask, asked, answer, answered = map(six, (ASK, ASKED, ANSWER, ANSWERED))
        make, reply = udp(), udp(b"answer")
        yield Case(
            f"{name} over IPv6",
            Step(make(ask), [make(asked)], "forward", flows_made=1), Step(reply(answer), [reply(answered)], "forward"),
            Step(
                error6((ROUTER_MAC, OURS), (ROUTER6, SNAT6), 64, kind, make(asked.but(ttl=60))),
                [error6((OURS, CLIENT_MAC), (ROUTER6, CLIENT6), 63, kind, make(ask.but(ttl=60)))], "forward",
            ),
            Step(
                error6((ROUTER_MAC, OURS), (ROUTER6, VIP6), 64, kind, reply(answered.but(ttl=60))),
                [error6((OURS, BACKEND_MAC), (ROUTER6, BACKEND6), 63, kind, reply(answer.but(ttl=60)))], "forward",
            ),
            setup="six",
        )


def cases():
    yield from over_ipv4()
    yield from over_ipv6()

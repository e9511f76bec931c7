"""ICMP errors about a flow reach whom they concern, with the packet that they quote translated back."""

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .modes import GATEWAY, SAME_PORT, both, in_gue, in_ip
from .nat import answers, asks
from .told import too_big
from .world import (
    ANSWER, ANSWERED, ASK, ASKED, BACKEND, BACKEND6, BACKEND_MAC, CLIENT, CLIENT6, CLIENT_MAC, CLIENT_PORT, FAR_CLIENT,
    OTHER, OURS, OWN, OWN6, ROUTER, ROUTER6, ROUTER_MAC, SNAT, SNAT6, STATIONS, VIP, VIP6, VIP_PORT, Ends, far, port, service,
    setup, six, tcp, udp,
)
from .writing import Case, Step

INSIDE = "10.100.0.11"
SETUPS = {
    "gateway": both("gateway", VIP, BACKEND),
    **{f"{mode}_IPv4": both(mode, VIP, BACKEND, **SAME_PORT) for mode in ("dsr", "ipip", "gue")},
    **{f"{mode}_IPv6": both(mode, VIP6, BACKEND6, **SAME_PORT) for mode in ("dsr", "ipip", "gue")},
    "narrow": setup(
        service("tcp", [INSIDE]), service("udp", [INSIDE]), ports=[port(), port(1, mtu=1400)],
        stations={**STATIONS, INSIDE: "02:00:00:00:02:64"},
    ),
    "plain": setup(),
    "six": setup(service("tcp", [BACKEND6], vip=VIP6), service("udp", [BACKEND6], vip=VIP6)),
}
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


def unrelated():
    seen = udp()(ASKED.but(ttl=60))
    for name, to in (("a source address", SNAT), ("a VIP", VIP)):
        quoted = seen if to == SNAT else udp()(ANSWERED.but(ttl=60))
        frame = error((ROUTER_MAC, OURS), (ROUTER, to), 64, KINDS["port unreachable"], quoted, 1500)
        yield Case(f"an error about no flow, to {name}", Step(frame, verdicts="drop icmp_unrelated"))
    frame = bytearray(bytes(error((ROUTER_MAC, OURS), (ROUTER, SNAT), 64, KINDS["port unreachable"], seen, 1500)))
    frame[36] ^= 1
    yield Case("an error with a wrong checksum", asks(udp(), flows_made=1), Step(bytes(frame), verdicts="drop icmp_checksum"))


def kept(family):
    """Ends in modes that keep the client's address: the request and the answer that goes past Viaduct."""
    of_family = six if family == "IPv6" else lambda ends: ends
    answer = Ends((BACKEND_MAC, CLIENT_MAC), (VIP, CLIENT), (VIP_PORT, CLIENT_PORT), ttl=60)
    return of_family(ASK), of_family(answer)


def fragmentable(frame):
    """A wrapped frame without DF, which what it carries does not have either."""
    assert frame[20] == 0x40
    frame[20] = 0
    return frame


def about_answers():
    """A router before the client complains to the VIP of what the backend has sent it itself."""
    kind, data = KINDS["fragmentation needed"], b"answer"
    for mode, wrap in (("dsr", None), ("ipip", in_ip), ("gue", in_gue)):
        ask, answer = kept("IPv4")
        comes = error((ROUTER_MAC, OURS), (ROUTER, VIP), 64, kind, udp(data)(answer), 1500)
        leaves = error((OURS, BACKEND_MAC), (ROUTER, VIP), 63, kind, udp(data)(answer), 1500)
        there = udp()(ask.but(macs=(OURS, BACKEND_MAC), ttl=63))
        if wrap:
            there, leaves = wrap("IPv4", "IPv4", there.payload), fragmentable(wrap("IPv4", "IPv4", leaves.payload))
        yield Case(
            f"{mode}: fragmentation needed about an answer over IPv4",
            Step(udp()(ask), [there], "forward", flows_made=1), Step(comes, [leaves], "forward"), setup=f"{mode}_IPv4",
        )
        ask, answer = kept("IPv6")
        big = KINDS6["packet too big"]
        comes = error6((ROUTER_MAC, OURS), (ROUTER6, VIP6), 64, big, udp(data)(answer))
        leaves = error6((OURS, BACKEND_MAC), (ROUTER6, VIP6), 63, big, udp(data)(answer))
        there = udp()(ask.but(macs=(OURS, BACKEND_MAC), ttl=63))
        if wrap:
            there, leaves = wrap("IPv6", "IPv6", there.payload), wrap("IPv6", "IPv6", leaves.payload)
        yield Case(
            f"{mode}: packet too big about an answer over IPv6",
            Step(udp()(ask), [there], "forward", flows_made=1), Step(comes, [leaves], "forward"), setup=f"{mode}_IPv6",
        )


def gateway():
    """Errors about both ways; those about the way to the backend come to the client's address."""
    kind, data = KINDS["fragmentation needed"], b"answer"
    ask, asked, answer, answered = (far(ends) for ends in GATEWAY)
    seen, meant = udp()(asked.but(ttl=60)), udp()(ask.but(ttl=60))
    comes = error((BACKEND_MAC, OURS), (OTHER, FAR_CLIENT), 64, kind, seen, 1500)
    leaves = error((OURS, ROUTER_MAC), (OTHER, FAR_CLIENT), 63, kind, meant, 1500)
    seen, meant = udp(data)(answered.but(ttl=60)), udp(data)(answer.but(ttl=60))
    comes_back = error((ROUTER_MAC, OURS), (ROUTER, VIP), 64, kind, seen, 1500)
    leaves_back = error((OURS, BACKEND_MAC), (ROUTER, BACKEND), 63, kind, meant, 1500)
    yield Case(
        "gateway: fragmentation needed about both ways",
        Step(udp()(ask), [udp()(asked)], "forward", flows_made=1),
        Step(udp(data)(answer), [udp(data)(answered)], "forward"),
        Step(comes, [leaves], "forward"), Step(comes_back, [leaves_back], "forward"), setup="gateway",
    )


def narrow():
    """What does not fit the way to the backend with the outer header is told the size that does."""
    for family, of_family, own in (("IPv4", lambda ends: ends, OWN), ("IPv6", six, OWN6)):
        ends, headers = of_family(ASK), 28 if family == "IPv4" else 48
        for mode, outer in (("ipip", 20 if family == "IPv4" else 40), ("gue", headers)):
            fits = udp(b"f" * (1500 - outer - headers))(ends)
            wrap = in_ip if mode == "ipip" else in_gue
            there = wrap(family, family, udp(b"f" * (1500 - outer - headers))(ends.but(ttl=63)).payload)
            over = udp(b"o" * (1500 - outer - headers + 1))(ends)
            yield Case(
                f"{mode}: a packet that fits and one that does not over {family}",
                Step(fits, [there], "forward", flows_made=1),
                Step(over, [too_big(over, own, 1500 - outer)], "drop too_big"), setup=f"{mode}_{family}",
            )
    narrow_port = udp(b"n" * 1400)(ASK)
    yield Case(
        "nat: a packet that does not fit the port towards the backend",
        Step(narrow_port, [too_big(narrow_port, OWN, 1400)], "drop too_big", flows_made=1), setup="narrow",
    )


def cases():
    for group in (over_ipv4, over_ipv6, unrelated, about_answers, gateway, narrow):
        yield from group()

"""What is refused, and why: malformed packets, packets for nobody, and tables that are full."""

from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .nat import asks
from .told import back, no_hop, no_port, reset
from .world import (
    ANSWER, ASK, CLIENT, CLIENT_MAC, OURS, OWN, SNAT, VIP, echo, internet, service, setup, tcp, udp,
)
from .writing import Case, Step

# Nothing is answered in their place.
SILENT = {"refusal": "drop"}
UNREACHABLE = "198.51.100.1"
SETUPS = {
    "plain": setup(service("tcp", **SILENT), service("udp", **SILENT)),
    "no_backend": setup(service("tcp", [], **SILENT), service("udp", [], **SILENT)),
    "no_router": setup(
        service("tcp", [UNREACHABLE], **SILENT), service("udp", [UNREACHABLE], **SILENT),
        ports=[{"mac": OURS, "mtu": 1500, "ipv4": f"{OWN}/16"}],
    ),
    "four_flows": setup(service("tcp", **SILENT), service("udp", **SILENT), flows=4, snat_ports="40000-49999"),
}

# Offset of the client's port in an untagged frame.
PORTS = 34


def told_of(name, frame, reason, answer):
    return Case(name, Step(frame, [answer], f"drop {reason}"))


def dropped(name, frame, reason, setup="plain", **keys):
    return Case(name, Step(frame, verdicts=f"drop {reason}"), setup=setup, **keys)


def ipv4(packet):
    return Ether(src=CLIENT_MAC, dst=OURS) / packet


def lengths():
    whole = bytes(udp()(ASK))
    for end, reason in ((0, "truncated"), (13, "truncated"), (33, "truncated"), (40, "ipv4_length")):
        yield dropped(f"a frame of {end} bytes", whole[:end], reason)
    yield dropped("IPv4 ends within the UDP header", ipv4(internet(ASK, proto=17) / Raw(b"1234567")), "truncated")
    yield dropped("IPv4 ends within the TCP header", ipv4(internet(ASK, proto=6) / Raw(bytes(19))), "truncated")
    yield dropped("IPv4 ends within the ICMP header", ipv4(internet(ASK, proto=1) / Raw(bytes(7))), "truncated")


def ip_headers():
    make = udp()(ASK)[IP]
    header = {"src": CLIENT, "dst": VIP, "ttl": 64}
    for version, ihl in ((5, 5), (6, 5), (4, 4), (4, 0)):
        packet = IP(version=version, ihl=ihl, **header) / make.payload
        yield dropped(f"version {version} and a header of {ihl} words", ipv4(packet), "ipv4_header")
    yield dropped("a total length below the header's", ipv4(IP(len=19, **header) / make.payload), "ipv4_length")
    yield dropped("a total length beyond the frame", ipv4(IP(len=37, **header) / make.payload), "ipv4_length")
    yield dropped("options beyond the total length", ipv4(IP(ihl=15, len=36, **header) / make.payload), "ipv4_length")
    yield dropped("a wrong header checksum", ipv4(IP(chksum=0x1234, **header) / make.payload), "ipv4_checksum")
    sources = {
        "this network": "0.0.0.0", "loopback": "127.0.0.1", "multicast": "224.0.0.5", "broadcast": "255.255.255.255",
        "reserved": "240.0.0.1", "Viaduct's own": OWN, "a source address": SNAT, "a VIP": VIP,
    }
    for name, source in sources.items():
        packet = udp()(ASK.but(ips=(source, VIP)))
        yield dropped(f"from {source}, {name}", packet, "ipv4_source")


def kinds():
    ethernet = Ether(src=CLIENT_MAC, dst=OURS, type=0x88CC)
    yield dropped("neither IP nor ARP", ethernet / Raw(bytes(46)), "ethertype")
    yield dropped("an Ethernet length instead of a type", Ether(src=CLIENT_MAC, dst=OURS, type=46) / Raw(bytes(46)), "ethertype")
    for number, name in ((132, "SCTP"), (47, "GRE"), (0, "protocol 0")):
        yield dropped(name, ipv4(internet(ASK, proto=number) / Raw(bytes(20))), "protocol")
    timestamp = ipv4(internet(ASK, proto=1) / Raw(bytes.fromhex("0d00f2ff" + "00" * 16)))
    yield dropped("an ICMP timestamp request", timestamp, "protocol")
    yield dropped("an echo request with a code", ipv4(internet(ASK) / ICMP(type=8, code=1)), "protocol")
    yield dropped("an echo request with a wrong checksum", echo(ASK, chksum=0x1234), "icmp_checksum")


def transport_headers():
    for words in (0, 4):
        yield dropped(f"a TCP header of {words} words", tcp("S", dataofs=words)(ASK), "tcp_header")
    yield dropped("a TCP header beyond the packet", tcp("S", dataofs=6)(ASK), "tcp_header")
    for flags, name in (("SF", "SYN and FIN"), ("SR", "SYN and RST"), ("", "none")):
        yield dropped(f"TCP flags: {name}", tcp(flags)(ASK), "tcp_flags")
    for length in (0, 7, 17):
        yield dropped(f"a UDP length of {length}", udp(len=length)(ASK), "udp_length")


def nobodys():
    ttl = {"one": 1, "none": 0}
    for name, hops in ttl.items():
        frame = udp()(ASK.but(ttl=hops))
        yield told_of(f"UDP with hops to live: {name}", frame, "ttl_expired", no_hop(frame, OWN))
    yield dropped("to somebody else", udp()(ASK.but(ips=(CLIENT, "192.0.2.1"))), "not_local")
    yield dropped("an echo request to somebody else", echo(ASK.but(ips=(CLIENT, "192.0.2.1"))), "not_local")
    yield dropped("TCP that opens nothing", tcp("A")(ASK), "no_flow")
    yield dropped("a reset of nothing", tcp("R")(ASK), "no_flow")
    yield told_of("an answer to nothing", tcp("SA")(ANSWER), "no_flow", reset(back(ANSWER), 2000))
    yield told_of("a datagram that answers nothing", udp()(ANSWER), "no_flow", no_port(udp()(ANSWER)))
    for make, name in ((tcp("S"), "TCP"), (udp(), "UDP")):
        yield dropped(f"{name} to a service without backend", make(ASK), "no_backend", "no_backend")
        yield dropped(f"{name} whose backend cannot be reached", make(ASK), "no_route", "no_router")
    far = ASK.but(ips=("192.0.2.77", VIP))
    yield dropped("from a client that cannot be reached", udp()(far), "no_route", "no_router")


def full_tables():
    # One port to each backend: the setup has one port.
    second = ASK.but(ports=(4001, 80))
    yield Case("no source port is left", asks(udp(), flows_made=1), Step(udp()(second), verdicts="drop snat_ports"))
    yield Case(
        "the other protocol has the port for itself", asks(udp(), flows_made=1), asks(tcp("S"), flows_made=1),
    )
    clients = {"repeat": 4, "vary": [{"at": PORTS, "by": 1}]}
    frame = udp(chksum=0)(ASK)
    fifth = udp(chksum=0)(ASK.but(ports=(4004, 80)))
    yield Case(
        "the flow table is full",
        Step(frame, verdicts={"forward": 4}, out_count=4, flows_made=4, **clients),
        Step(fifth, verdicts="drop flow_table_full"),
        setup="four_flows",
    )


def cases():
    for group in (lengths, ip_headers, kinds, transport_headers, nobodys, full_tables):
        yield from group()
    yield Case("a frame in several buffers", Step(udp()(ASK), verdicts="drop multi_segment", segmented=True))
    yield Case(
        "the transmit queue is full",
        asks(udp(), flows_made=1), Step(udp()(ASK), verdicts="drop transmit_queue", transmit_limit=0),
        asks(udp(), transmit_limit=32),
    )

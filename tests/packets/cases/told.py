"""What senders of refused packets are told, and what both sides of a forgotten connection are."""

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .world import OURS, Ends, frame_of

# DSCP CS6 (RFC 1812, 4.3.2.5), and no ID where there is DF (RFC 6864).
ROUTERS = {"tos": 0xC0, "ttl": 64, "id": 0, "flags": "DF"}


def back(ends):
    """From whom a packet was meant for to whom it came from, with all hops to go."""
    return Ends((OURS, ends.macs[0]), ends.ips[::-1], ends.ports[::-1], ttl=64, vlan=ends.vlan)


def reset(ends, seq, ack=None):
    """A RST between these ends (RFC 9293, 3.10.7.1); with `ack` where the refused segment had none."""
    source, destination = ends.ips
    if ":" in source:
        header = IPv6(src=source, dst=destination, hlim=64)
    else:
        header = IP(src=source, dst=destination, ttl=64, id=0, flags="DF")
    flags = {"flags": "R"} if ack is None else {"flags": "RA", "ack": ack}
    return frame_of(ends, header / TCP(sport=ends.ports[0], dport=ends.ports[1], seq=seq, window=0, **flags))


def refused_syn(ends):
    """The answer to a SYN of sequence number 1000."""
    return reset(back(ends), 0, ack=1001)


def icmp(frame, source, kind, to=None):
    """An ICMP error from `source` about a frame, to the station that it came from."""
    quote = bytes(frame[IP])
    header = IP(src=source, dst=frame[IP].src, **ROUTERS)
    return Ether(src=OURS, dst=to or frame.src) / header / ICMP(**kind) / Raw(quote[: 576 - 28])


def icmp6(frame, source, message):
    quote = bytes(frame[IPv6])
    header = IPv6(src=source, dst=frame[IPv6].src, hlim=64, tc=0xC0)
    return Ether(src=OURS, dst=frame.src) / header / message / Raw(quote[: 1280 - 48])


def no_port(frame):
    """Port unreachable, from the address that the frame was for."""
    if IPv6 in frame:
        return icmp6(frame, frame[IPv6].dst, ICMPv6DestUnreach(code=4))
    return icmp(frame, frame[IP].dst, {"type": 3, "code": 3})


def no_hop(frame, source):
    """Time exceeded, from the router's own address."""
    if IPv6 in frame:
        return icmp6(frame, source, ICMPv6TimeExceeded(code=0))
    return icmp(frame, source, {"type": 11, "code": 0})


def too_big(frame, source, mtu):
    if IPv6 in frame:
        return icmp6(frame, source, ICMPv6PacketTooBig(mtu=mtu))
    return icmp(frame, source, {"type": 3, "code": 4, "nexthopmtu": mtu})

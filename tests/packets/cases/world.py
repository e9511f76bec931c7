"""Where the cases take place, and packets by their ends.

           clients            Viaduct: VIP 11.0.0.1, fd11::1           backends
  10.99.0.101, fd99::65       10.99.0.2, fd99::2                  10.99.0.11, fd99::b
  192.0.2.77 ── router        source addresses                    10.99.0.12, fd99::c
           10.99.0.1          10.99.0.3, fd99::3

With one source port for each worker there is no choice of it: every byte is known.
"""

import dataclasses
import ipaddress

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

# Made of the address, as a TAP port's is.
OURS = "02:76:0a:63:00:02"
ROUTER_MAC, CLIENT_MAC = "02:00:00:00:00:01", "02:00:00:00:01:01"
BACKEND_MAC, OTHER_MAC = "02:00:00:00:02:0b", "02:00:00:00:02:0c"
OWN, SNAT, VIP, ROUTER = "10.99.0.2", "10.99.0.3", "11.0.0.1", "10.99.0.1"
CLIENT, BACKEND, OTHER, FAR_CLIENT = "10.99.0.101", "10.99.0.11", "10.99.0.12", "192.0.2.77"
FAR_CLIENT6 = "2001:db8::77"
OWN6, SNAT6, VIP6, ROUTER6 = "fd99::2", "fd99::3", "fd11::1", "fd99::1"
CLIENT6, BACKEND6, OTHER6 = "fd99::65", "fd99::b", "fd99::c"
SNAT_PORT, VIP_PORT, BACKEND_PORT, CLIENT_PORT = 40000, 80, 8080, 4000
GUE_PORT = 6080

STATIONS = {
    ROUTER: ROUTER_MAC, CLIENT: CLIENT_MAC, BACKEND: BACKEND_MAC, OTHER: OTHER_MAC,
    ROUTER6: ROUTER_MAC, CLIENT6: CLIENT_MAC, BACKEND6: BACKEND_MAC, OTHER6: OTHER_MAC,
}


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def service(protocol, backends=(BACKEND,), mode="nat", vip=VIP, port=VIP_PORT, backend_port=BACKEND_PORT, **keys):
    """A service with backends of weight 1."""
    backends = [endpoint(backend, backend_port) for backend in backends]
    return {"vip": endpoint(vip, port), "protocol": protocol, "mode": mode, "backends": backends, **keys}


def port(number=0, **keys):
    """Port 0 is in the cases' own network; others are in 10.<99 + number>.0.0/16."""
    subnet = f"10.{99 + number}.0"
    return {
        "mac": f"02:76:0a:{99 + number:02x}:00:02", "mtu": 1500,
        "ipv4": f"{subnet}.2/16", "ipv6": f"fd{0x99 + number:x}::2/64",
        **({"ipv4_gateway": ROUTER, "ipv6_gateway": ROUTER6} if number == 0 else {}), **keys,
    }


def setup(*services, ports=None, workers=1, flows=64, snat_ports=None, stations=None, **keys):
    """A load balancer with these services; for others than TCP and UDP to BACKEND say so."""
    last = SNAT_PORT + workers - 1
    return {
        "workers": workers, "flows": flows, "gue_port": GUE_PORT,
        "snat": [SNAT, SNAT6], "snat_ports": snat_ports or f"{SNAT_PORT}-{last}",
        "stations": STATIONS if stations is None else stations,
        "port": ports or [port()],
        "service": list(services) or [service("tcp"), service("udp")], **keys,
    }


@dataclasses.dataclass(frozen=True)
class Ends:
    """Between whom a packet is: Ethernet, IP and transport addresses, and hops to go."""

    macs: tuple
    ips: tuple
    ports: tuple
    ttl: int = 64
    vlan: int = None

    def but(self, **fields):
        return dataclasses.replace(self, **fields)


# A request as the client sends it and the backend gets it; the reply likewise.
ASK = Ends((CLIENT_MAC, OURS), (CLIENT, VIP), (CLIENT_PORT, VIP_PORT))
ASKED = Ends((OURS, BACKEND_MAC), (SNAT, BACKEND), (SNAT_PORT, BACKEND_PORT), ttl=63)
ANSWER = Ends((BACKEND_MAC, OURS), (BACKEND, SNAT), (BACKEND_PORT, SNAT_PORT))
ANSWERED = Ends((OURS, CLIENT_MAC), (VIP, CLIENT), (VIP_PORT, CLIENT_PORT), ttl=63)


def far(ends):
    """The same with a client beyond the router."""
    macs = tuple(ROUTER_MAC if mac == CLIENT_MAC else mac for mac in ends.macs)
    return ends.but(macs=macs, ips=tuple(FAR_CLIENT if ip == CLIENT else ip for ip in ends.ips))


def six(ends):
    """The same between the stations' IPv6 addresses."""
    to6 = {FAR_CLIENT: FAR_CLIENT6, CLIENT: CLIENT6, VIP: VIP6, SNAT: SNAT6, BACKEND: BACKEND6, OTHER: OTHER6}
    return ends.but(ips=tuple(to6[ip] for ip in ends.ips))


def frame_of(ends, packet):
    """The frame that carries a packet."""
    ethernet = Ether(src=ends.macs[0], dst=ends.macs[1])
    return ethernet / Dot1Q(vlan=ends.vlan) / packet if ends.vlan else ethernet / packet


def internet(ends, **fields):
    """The IP header between these ends; fields are IPv4's."""
    source, destination = ends.ips
    if ":" in source:
        return IPv6(src=source, dst=destination, hlim=ends.ttl, **fields)
    return IP(src=source, dst=destination, ttl=ends.ttl, **{"id": 7, "flags": "DF", **fields})


def tcp(flags="S", data=b"", options=(), seq=1000, ack=None, ip=None, **fields):
    """How to make a TCP packet for given ends."""
    ack = (0 if flags == "S" else 2000) if ack is None else ack

    def make(ends):
        header = TCP(
            sport=ends.ports[0], dport=ends.ports[1], flags=flags, seq=seq, ack=ack,
            options=list(options), window=64240, **fields,
        )
        return frame_of(ends, internet(ends, **(ip or {})) / header / Raw(data))

    return make


def udp(data=b"question", ip=None, **fields):
    """How to make a UDP packet for given ends."""

    def make(ends):
        header = UDP(sport=ends.ports[0], dport=ends.ports[1], **fields)
        return frame_of(ends, internet(ends, **(ip or {})) / header / Raw(data))

    return make


def echo(ends, kind="echo-request", data=b"ping", ip=None, **fields):
    return frame_of(ends, internet(ends, **(ip or {})) / ICMP(**{"type": kind, "id": 9, "seq": 1, **fields}) / Raw(data))


def solicited_node(address):
    """The multicast group of a neighbor solicitation (RFC 4291, 2.7.1) and its Ethernet address."""
    tail = ipaddress.IPv6Address(address).packed[13:]
    group = ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + tail)
    return str(group), "33:33:ff:" + ":".join(f"{byte:02x}" for byte in tail)

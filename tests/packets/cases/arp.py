"""ARP over Ethernet: what is answered, learned and refused."""

from scapy.layers.l2 import ARP, Dot1Q, Ether

from .world import (
    ASK, ASKED, BACKEND, BACKEND_MAC, CLIENT, CLIENT_MAC, OURS, OWN, SNAT, STATIONS, VIP, port, setup, udp,
)
from .writing import Case, Step

BROADCAST = "ff:ff:ff:ff:ff:ff"
SILENT = {ip: mac for ip, mac in STATIONS.items() if ip != BACKEND}
SETUPS = {
    "plain": setup(), "tagged": setup(ports=[port(vlan=100)]), "silent": setup(stations=SILENT),
}


def request(target, to=BROADCAST, sender=CLIENT, mac=CLIENT_MAC, vlan=None, **fields):
    question = ARP(op=1, hwsrc=mac, psrc=sender, hwdst="00:00:00:00:00:00", pdst=target, **fields)
    return framed(mac, to, question, vlan)


def reply(sender, mac, target=CLIENT, to=CLIENT_MAC, vlan=None):
    return framed(mac, to, ARP(op=2, hwsrc=mac, psrc=sender, hwdst=to, pdst=target), vlan)


def framed(source, destination, packet, vlan):
    ethernet = Ether(src=source, dst=destination)
    return ethernet / Dot1Q(vlan=vlan) / packet if vlan else ethernet / packet


def answered():
    for name, address in (("its own address", OWN), ("a source address", SNAT), ("a VIP", VIP)):
        yield Case(f"a question for {name}", Step(request(address), [reply(address, OURS)], "reply"))
    yield Case("a question to the port alone", Step(request(OWN, to=OURS), [reply(OWN, OURS)], "reply"))
    yield Case("a question in a padded frame", Step(bytes(request(OWN)).ljust(60, b"\0"), [reply(OWN, OURS)], "reply"))
    yield Case(
        "a probe from a station without address (RFC 5227)",
        Step(request(OWN, sender="0.0.0.0"), [reply(OWN, OURS, target="0.0.0.0")], "reply"),
    )
    yield Case(
        "a question in the port's VLAN",
        Step(request(VIP, vlan=100), [reply(VIP, OURS, vlan=100)], "reply"), setup="tagged",
    )


def learned():
    yield Case("a question for somebody else", Step(request(BACKEND), verdicts="absorb"))
    question = framed(OURS, BROADCAST, ARP(op=1, hwsrc=OURS, psrc=OWN, hwdst="00:00:00:00:00:00", pdst=BACKEND), None)
    backend = reply(BACKEND, BACKEND_MAC, target=OWN, to=OURS)
    yield Case(
        "the first packet of a flow waits for the answer",
        Step(udp()(ASK), [question], {"hold": 1}, flows_made=1),
        Step(backend, [udp()(ASKED)], {"absorb": 1, "hold": -1, "forward": 1}), setup="silent",
    )
    moved = "02:00:00:00:02:99"
    yield Case(
        "a backend that announces another Ethernet address is sent to there",
        Step(udp()(ASK), [udp()(ASKED)], "forward", flows_made=1),
        Step(request(BACKEND, sender=BACKEND, mac=moved), verdicts="absorb"),
        Step(udp()(ASK), [udp()(ASKED.but(macs=(OURS, moved)))], "forward"),
    )


def refused():
    wrong = {"hardware": {"hwtype": 6}, "protocol": {"ptype": 0x86DD}, "operation": {"op": 3}}
    for name, fields in wrong.items():
        fields = {"hwsrc": CLIENT_MAC, "psrc": CLIENT, "pdst": OWN, "hwlen": 6, "plen": 4, **fields}
        packet = framed(CLIENT_MAC, BROADCAST, ARP(**fields), None)
        frame = bytes(packet)
        yield Case(f"an unknown {name}", Step(frame[:42].ljust(42, b"\0"), verdicts="drop arp_invalid"))
    for name, mac in (("a group", "03:00:00:00:00:01"), ("nobody", "00:00:00:00:00:00")):
        frame = framed(CLIENT_MAC, BROADCAST, ARP(op=1, hwsrc=mac, psrc=CLIENT, pdst=OWN), None)
        yield Case(f"a sender that is {name}", Step(frame, verdicts="drop arp_invalid"))
    for name, address in (("own", OWN), ("VIP's", VIP)):
        yield Case(
            f"a sender with the {name} address", Step(request(OWN, sender=address), verdicts="drop address_conflict"),
        )
    yield Case("our own question comes back", Step(request(BACKEND, sender=OWN, mac=OURS), verdicts="drop arp_invalid"))
    yield Case("cut short", Step(bytes(request(OWN))[:41], verdicts="drop truncated"))


def cases():
    for group in (answered, learned, refused):
        yield from group()

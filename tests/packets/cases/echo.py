"""ICMP echo to Viaduct's own addresses and to VIPs."""

from .world import ASK, CLIENT, CLIENT_MAC, OURS, OWN, SNAT, VIP, Ends, echo, port, setup
from .writing import Case, Step

SETUPS = {"plain": setup(), "tagged": setup(ports=[port(vlan=100)])}


def pair(address, vlan=None, **fields):
    """Request and reply; the reply's time to live starts over."""
    there = Ends((CLIENT_MAC, OURS), (CLIENT, address), (0, 0), ttl=17, vlan=vlan)
    back = Ends((OURS, CLIENT_MAC), (address, CLIENT), (0, 0), ttl=64, vlan=vlan)
    return Step(echo(there, **fields), [echo(back, "echo-reply", **fields)], "reply")


def cases():
    for name, address in (("its own address", OWN), ("a source address", SNAT), ("a VIP", VIP)):
        yield Case(f"echo to {name}", pair(address))
    yield Case("echo in the port's VLAN", pair(VIP, vlan=100), setup="tagged")
    yield Case("echo without data", pair(VIP, data=b""))
    yield Case("echo of an odd number of bytes", pair(VIP, data=b"odd"))
    zeros = {"id": 0, "seq": 0, "data": bytes(8)}
    yield Case("echo of nothing but zeros, whose checksum is all ones", pair(VIP, **zeros))
    yield Case("an MTU full of echo", pair(VIP, data=b"e" * 1472))
    yield Case("echo with a hop to live", Step(
        echo(ASK.but(ttl=1)), [echo(Ends((OURS, CLIENT_MAC), (VIP, CLIENT), (0, 0)), "echo-reply")], "reply",
    ))
    yield Case("an echo reply that nobody asked for", Step(echo(ASK, "echo-reply"), verdicts="drop protocol"))

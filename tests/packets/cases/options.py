"""IPv4 and TCP options pass unchanged, whatever they are."""

from scapy.layers.inet import IPOption_NOP, IPOption_Router_Alert

from .nat import answers, asks
from .world import setup, tcp, udp
from .writing import Case

SETUPS = {"plain": setup()}

SYN_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]
SACK = [("NOP", None), ("NOP", None), ("SAck", (3000, 4000))]


def cases():
    alert = {"options": [IPOption_Router_Alert()]}
    yield Case("IPv4 router alert", asks(udp(ip=alert), flows_made=1), answers(udp(ip=alert)))
    yield Case("IPv4 router alert on TCP", asks(tcp("S", ip=alert), flows_made=1))
    longest = {"options": [IPOption_NOP()] * 40}
    yield Case("as many IPv4 options as there can be", asks(udp(ip=longest), flows_made=1))
    yield Case(
        "the options of a handshake",
        asks(tcp("S", options=SYN_OPTIONS), flows_made=1), answers(tcp("SA", options=SYN_OPTIONS)),
    )
    yield Case(
        "selective acknowledgments",
        asks(tcp("S"), flows_made=1), answers(tcp("SA")), asks(tcp("A", options=SACK)),
    )
    yield Case("as many TCP options as there can be", asks(tcp("S", options=[("NOP", None)] * 40), flows_made=1))

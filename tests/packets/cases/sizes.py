"""Frames of all sizes: without payload, padded to the least, an MTU full, jumbo."""

from .nat import answers, asks
from .world import ANSWER, ANSWERED, ASK, ASKED, port, setup, tcp, udp
from .writing import Case, Step

SETUPS = {"plain": setup(), "jumbo": setup(ports=[port(mtu=9000)])}


def padded(frame, byte=0):
    """As an Ethernet port hands a short frame over."""
    return bytes(frame).ljust(60, bytes([byte]))


def cases():
    yield Case(
        "padding is cut off",
        Step(padded(udp(b"")(ASK)), [udp(b"")(ASKED)], "forward", flows_made=1),
        Step(padded(udp(b"a")(ANSWER)), [udp(b"a")(ANSWERED)], "forward"),
    )
    yield Case(
        "padding need not be zero",
        Step(padded(tcp("S")(ASK), 0xAA), [tcp("S")(ASKED)], "forward", flows_made=1),
    )
    yield Case(
        "bytes behind the datagram inside the packet stay",
        asks(udp(b"inside, outside", len=14, chksum=0), flows_made=1), wrong_checksums=True,
    )
    for mtu, name, where in ((1500, "the MTU", "plain"), (9000, "a jumbo MTU", "jumbo")):
        data = bytes([0x61]) * (mtu - 20 - 8)
        yield Case(f"{name} full of UDP", asks(udp(data), flows_made=1), answers(udp(data)), setup=where)
        data = bytes([0x62]) * (mtu - 20 - 20)
        yield Case(
            f"{name} full of TCP",
            asks(tcp("S"), flows_made=1), answers(tcp("SA")), asks(tcp("A", data)), answers(tcp("A", data)),
            setup=where,
        )

"""Mode nat over IPv4: both directions of TCP and UDP, checksums, table changes, idle flows."""

from .world import (
    ANSWER, ANSWERED, ASK, ASKED, BACKEND, CLIENT, CLIENT_MAC, FAR_CLIENT, OTHER, OTHER_MAC, OURS,
    ROUTER_MAC, SNAT, VIP, service, setup, tcp, udp,
)
from .told import back, reset
from .writing import Case, Step

SETUPS = {
    "plain": setup(),
    "other": setup(service("tcp", [OTHER]), service("udp", [OTHER])),
    "draining": setup(
        service("tcp", [OTHER], draining=[f"{BACKEND}:8080"]), service("udp", [OTHER], draining=[f"{BACKEND}:8080"]),
    ),
    "keeping": setup(service("tcp", [OTHER], removal="keep"), service("udp", [OTHER], removal="keep")),
}


def asks(make, **keys):
    """The client's packet reaches the backend."""
    return Step(make(ASK), [make(ASKED)], "forward", **keys)


def answers(make, **keys):
    """The backend's packet reaches the client."""
    return Step(make(ANSWER), [make(ANSWERED)], "forward", **keys)


def opened():
    """A TCP connection whose sides have both been heard."""
    return asks(tcp("S"), flows_made=1), answers(tcp("SA")), asks(tcp("A"))


def summing_to_zero(make):
    """A payload for which the checksum that leaves comes to zero.

    A word that is the checksum of the same packet with a word of zeros makes the sum all ones."""
    plain = bytes(make(b"\0\0")(ASKED))
    return plain[42 - 2 : 42] if plain[23] == 17 else plain[50:52]


def connections():
    request, response = b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    yield Case(
        "a TCP connection from the first SYN to the last ACK",
        *opened(),
        asks(tcp("PA", request)), answers(tcp("PA", response)),
        answers(tcp("FA")), asks(tcp("FA")), answers(tcp("A")),
    )
    yield Case("UDP there and back", asks(udp(b"question"), flows_made=1), answers(udp(b"answer")))
    yield Case("an empty datagram", asks(udp(b""), flows_made=1), answers(udp(b"")))
    yield Case("an odd number of bytes", asks(udp(b"odd"), flows_made=1), answers(udp(b"sized")))
    yield Case(
        "a refused connection ends its flow",
        asks(tcp("S"), flows_made=1), answers(tcp("RA"), flows_ended=1),
        Step(tcp("A")(ASK), [reset(back(ASK), 2000)], "drop no_flow"),
    )
    far, to_far = {"macs": (ROUTER_MAC, OURS)}, {"macs": (OURS, ROUTER_MAC)}
    there = ASK.but(ips=(FAR_CLIENT, VIP), **far)
    returned = ANSWERED.but(ips=(VIP, FAR_CLIENT), **to_far)
    yield Case(
        "a client beyond the router",
        Step(tcp("S")(there), [tcp("S")(ASKED)], "forward", flows_made=1),
        Step(tcp("SA")(ANSWER), [tcp("SA")(returned)], "forward"),
    )


def checksums():
    yield Case(
        "UDP without checksum stays without",
        asks(udp(chksum=0), flows_made=1), answers(udp(b"answer", chksum=0)),
    )
    word = summing_to_zero(udp)
    yield Case("a UDP checksum that comes to zero is sent as all ones", asks(udp(word), flows_made=1))
    word = summing_to_zero(lambda data: tcp("S", data))
    yield Case("a TCP checksum that comes to zero is sent as zero", asks(tcp("S", word), flows_made=1))
    for make, name, at in ((udp, "UDP", 40), (lambda data: tcp("S", data), "TCP", 50)):
        yield Case(
            f"a wrong {name} checksum stays wrong: it is the receiver's to judge",
            Step(*damaged(make(b"data"), at), "forward", flows_made=1), wrong_checksums=True,
        )


def damaged(make, at):
    """A packet whose payload was changed on the way, as it comes and as it must leave."""
    frames = [bytearray(bytes(make(ends))) for ends in (ASK, ASKED)]
    for frame in frames:
        frame[-1] ^= 0x55
    return bytes(frames[0]), [bytes(frames[1])]


def fields():
    yield Case("DSCP, ECN and the ID field are left alone", asks(udp(ip={"tos": 0xB9, "id": 0xBEEF}), flows_made=1))
    yield Case("without DF", asks(udp(ip={"flags": 0}), flows_made=1))
    yield Case("the last hop that may be taken",
        Step(udp()(ASK.but(ttl=2)), [udp()(ASKED.but(ttl=1))], "forward", flows_made=1))
    yield Case("the most hops", Step(udp()(ASK.but(ttl=255)), [udp()(ASKED.but(ttl=254))], "forward", flows_made=1))
    for flags, name in (("SEC", "a SYN that offers ECN"), ("S", "a plain SYN")):
        yield Case(name, asks(tcp(flags, ack=0), flows_made=1))


def elsewhere(make):
    """The client's packet reaches the other backend."""
    ends = ASKED.but(macs=(OURS, OTHER_MAC), ips=(SNAT, OTHER))
    return make(ASK), [make(ends)], "forward"


def changes():
    yield Case(
        "UDP of a backend that is gone chooses again",
        asks(udp(), flows_made=1),
        Step(*elsewhere(udp()), publish="other", flows_made=1, flows_ended=1),
    )
    yield Case(
        "a connection stays with a backend that drains",
        *opened(), asks(tcp("PA", b"more"), publish="draining"), answers(tcp("PA", b"more")),
    )
    yield Case(
        "a connection stays with a backend that is gone, if the service keeps such",
        *opened(), asks(tcp("PA", b"more"), publish="keeping"), answers(tcp("PA", b"more")),
    )


def idle():
    yield Case(
        "an idle UDP flow ends, and another packet makes a new one",
        asks(udp(), flows_made=1), Step(advance="40s", flows_ended=1), asks(udp(), flows_made=1),
    )
    yield Case(
        "a packet now and then keeps a flow",
        asks(udp(), flows_made=1), asks(udp(b"again"), advance="25s"), answers(udp(), advance="25s"),
        asks(udp(b"and again"), advance="25s"),
    )
    other = ASK.but(ports=(4001, 80))
    yield Case(
        "the source port of a flow that ended serves another",
        asks(udp(), flows_made=1), Step(udp()(other), verdicts="drop snat_ports"),
        Step(udp()(other), [udp()(ASKED)], "forward", advance="40s", flows_made=1, flows_ended=1),
    )


def cases():
    for group in (connections, checksums, fields, changes, idle):
        yield from group()

"""Packets that nobody serves: how each service tells their senders, and the sender of a pool address."""

from .told import no_port, refused_syn
from .world import ASK, VIP, service, setup, six, tcp, udp
from .writing import Case, Step

KINDS = ("reset", "unreachable", "drop")
POOL_ADDRESS, BEYOND = "11.0.0.9", "11.0.0.10"


def empty(refusal):
    families = (VIP, "fd11::1")
    return setup(*(service(p, [], vip=vip, refusal=refusal) for vip in families for p in ("tcp", "udp")))


SETUPS = {
    **{kind: empty(kind) for kind in KINDS},
    "pool": setup(pool=f"11.0.0.0-{POOL_ADDRESS}"),
}


def told(kind, protocol, frame, ends):
    """The answer to a frame that opens a flow."""
    if kind == "drop":
        return []
    if kind == "reset" and protocol == "TCP":
        return [refused_syn(ends)]
    return [no_port(frame)]


def packets():
    """Family, protocol, ends and frame of what opens a flow."""
    for family, ends in (("IPv4", ASK), ("IPv6", six(ASK))):
        for protocol, make in (("TCP", tcp("S")), ("UDP", udp())):
            yield family, protocol, ends, make


def cases():
    for kind in KINDS:
        for family, protocol, ends, make in packets():
            frame = make(ends)
            yield Case(
                f"no backend, {kind}: {protocol} over {family}",
                Step(frame, told(kind, protocol, frame, ends), "drop no_backend"), setup=kind,
            )
    for family, protocol, ends, make in packets():
        ends = ends.but(ports=(ends.ports[0], 81))
        frame = make(ends)
        yield Case(
            f"no such port of the VIP: {protocol} over {family}",
            Step(frame, told("reset", protocol, frame, ends), "drop no_service"), setup="drop",
        )
    for protocol, make in (("TCP", tcp("S")), ("UDP", udp())):
        inside, outside = (ASK.but(ips=(ASK.ips[0], ip)) for ip in (POOL_ADDRESS, BEYOND))
        yield Case(
            f"an address of the pool that no VIP has: {protocol}",
            Step(make(inside), told("reset", protocol, make(inside), inside), "drop no_service"), setup="pool",
        )
        yield Case(f"an address beyond the pool: {protocol}", Step(make(outside), verdicts="drop not_local"), setup="pool")
    yield Case("a reset is not answered", Step(tcp("RA")(ASK.but(ports=(4000, 81))), verdicts="drop no_service"), setup="reset")

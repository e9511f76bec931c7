"""How flows end: idle for too long, their backend removed, half open for too long; who is told."""

from .modes import SAME_PORT, both
from .nat import answers, asks, opened
from .told import back, reset
from .world import ANSWERED, ASK, ASKED, BACKEND, BACKEND_MAC, OTHER, OURS, VIP, service, setup, tcp
from .writing import Case, Step

SETUPS = {
    "plain": setup(),
    "direct": both("dsr", VIP, BACKEND, **SAME_PORT),
    "direct_other": both("dsr", VIP, OTHER, **SAME_PORT),
    "other": setup(service("tcp", [OTHER]), service("udp", [OTHER])),
}
# The acknowledgement numbers of both sides' last segments: what each expects next.
EXPECTED = 2000


def told():
    """A RST to each side, with the sequence number that it expects; the backend first."""
    return [reset(ends.but(ttl=64), EXPECTED) for ends in (ASKED, ANSWERED)]


def cases():
    yield Case("an idle connection: both sides are told", *opened(), Step(out=told(), advance="61s", flows_ended=1))
    yield Case(
        "a half-open connection is forgotten sooner, and told when it goes on",
        asks(tcp("S"), flows_made=1), answers(tcp("SA")), Step(advance="11s", flows_ended=1),
        Step(tcp("A")(ASK), [reset(back(ASK), EXPECTED)], "drop no_flow"),
    )
    yield Case("its backend is removed: both sides are told", *opened(), Step(out=told(), publish="other", flows_ended=1))
    yield Case(
        "its backend is removed, and a packet comes before that is seen",
        *opened(), Step(tcp("A")(ASK), [tcp("A")(ASKED), *told()], "forward", publish="other", flows_ended=1),
    )
    to_backend = ASK.but(macs=(OURS, BACKEND_MAC), ttl=63)
    yield Case(
        "direct return, and its backend is removed: the client is told, for nobody else is known",
        Step(tcp("S")(ASK), [tcp("S")(to_backend)], "forward", flows_made=1),
        Step(tcp("A")(ASK), [tcp("A")(to_backend)], "forward"),
        Step(tcp("A")(ASK), [reset(back(ASK), EXPECTED)], "drop backend_gone", publish="direct_other", flows_ended=1),
        setup="direct",
    )

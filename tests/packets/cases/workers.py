"""Two workers: a reply reaches the worker whose flow it belongs to, whichever queue it came by."""

from .world import (
    ANSWER, ANSWERED, ASK, ASKED, SNAT_PORT, setup, tcp, udp,
)
from .told import no_port
from .writing import Case, Step

# One source port for each worker: 40000 is worker 0's, 40001 is worker 1's.
SETUPS = {"two": setup(workers=2)}


def asked(worker):
    return ASKED.but(ports=(SNAT_PORT + worker, ASKED.ports[1]))


def answer(worker):
    return ANSWER.but(ports=(ANSWER.ports[0], SNAT_PORT + worker))


def cases():
    handed = {"handoff": 1, "forward": 1}
    for protocol, make, back in (("UDP", udp(), udp(b"answer")), ("TCP", tcp("S"), tcp("SA"))):
        for owner in (0, 1):
            other = 1 - owner
            yield Case(
                f"{protocol} of worker {owner} whose replies come to worker {other}",
                Step(make(ASK), [make(asked(owner))], "forward", worker=owner, flows_made=1),
                Step(back(answer(owner)), [back(ANSWERED)], handed, worker=other),
                Step(back(answer(owner)), [back(ANSWERED)], "forward", worker=owner), setup="two",
            )
    yield Case(
        "the owner's inbox is full",
        Step(udp()(ASK), [udp()(asked(0))], "forward", flows_made=1),
        Step(udp()(answer(0)), verdicts="drop handoff_queue", inbox_limit=0, worker=1),
        Step(udp()(answer(0)), [udp()(ANSWERED)], handed, inbox_limit=32, worker=1), setup="two",
    )
    yield Case(
        "a reply that nobody waits for ends with its owner",
        Step(udp()(answer(1)), [no_port(udp()(answer(1)))], {"handoff": 1, "drop no_flow": 1}), setup="two",
    )

"""Limits of a service, who may use it, and the segments that its ends may announce."""

from .nat import answers, asks
from .world import ANSWER, ANSWERED, ASK, ASKED, BACKEND, BACKEND_MAC, OURS, VIP_PORT, service, setup, tcp, udp
from .writing import Case, Step

# Modes that keep the packet need no source port for each flow.
DIRECT = {"mode": "dsr", "backend_port": VIP_PORT}


def one(**keys):
    return setup(service("udp", [BACKEND], **DIRECT, **keys))


SETUPS = {
    "two_a_second": one(new_flows_per_second=2),
    "two_at_a_time": one(max_flows=2),
    "some": one(allow=["10.99.0.0/16", "192.0.2.77/32"], deny=["10.99.1.0/24"]),
    "all_but_some": one(deny=["10.99.1.0/24"]),
    "segments": setup(service("tcp", max_segment=1360)),
}


def flow(number):
    """A datagram of a client's flow as it comes and as it leaves."""
    ends = ASK.but(ports=(4000 + number, VIP_PORT))
    return udp()(ends), [udp()(ends.but(macs=(OURS, BACKEND_MAC), ttl=63))]


def limits():
    yield Case(
        "so many new flows in a second and no more",
        Step(*flow(1), "forward", flows_made=1), Step(*flow(2), "forward", flows_made=1),
        Step(flow(3)[0], verdicts="drop rate_limit"), Step(*flow(1), "forward"),
        Step(*flow(3), "forward", advance="1s", flows_made=1), setup="two_a_second",
    )
    yield Case(
        "so many flows and no more",
        Step(*flow(1), "forward", flows_made=1), Step(*flow(2), "forward", flows_made=1),
        Step(flow(3)[0], verdicts="drop flow_limit"), Step(*flow(1), "forward"),
        Step(*flow(3), "forward", advance="40s", flows_made=1, flows_ended=2), setup="two_at_a_time",
    )


def sources():
    clients = {
        "some": {"10.99.0.101": True, "10.99.1.1": False, "192.0.2.77": True, "192.0.2.78": False},
        "all_but_some": {"10.99.0.101": True, "10.99.1.1": False, "192.0.2.78": True},
    }
    for where, allowed in clients.items():
        for client, may in allowed.items():
            ends = ASK.but(ips=(client, ASK.ips[1]))
            out = [udp()(ends.but(macs=(OURS, BACKEND_MAC), ttl=63))]
            step = Step(udp()(ends), out, "forward", flows_made=1) if may else Step(udp()(ends), verdicts="drop source_denied")
            yield Case(f"{where.replace('_', ' ')} may: {client}", step, setup=where)


def announces(size):
    return tcp("S", options=[("MSS", size)]), tcp("SA", options=[("MSS", size)])


def segments():
    (asks_much, answers_much), (asked, answered) = announces(1460), announces(1360)
    yield Case(
        "larger segments than fit are announced smaller, by both ends",
        Step(asks_much(ASK), [asked(ASKED)], "forward", flows_made=1),
        Step(answers_much(ANSWER), [answered(ANSWERED)], "forward"),
        setup="segments",
    )
    small, _ = announces(1300)
    yield Case("smaller segments are announced as they are", asks(small, flows_made=1), setup="segments")
    yield Case("who announces no segment size is not made to", asks(tcp("S"), flows_made=1), answers(tcp("SA")), setup="segments")


def cases():
    for group in (limits, sources, segments):
        yield from group()

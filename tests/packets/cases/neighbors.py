"""Next hops: who is asked, what waits, what is given up."""

from scapy.layers.l2 import ARP, Ether

from .world import (
    ASK, ASKED, BACKEND, BACKEND_MAC, OURS, OWN, STATIONS, port, service, setup, tcp, udp,
)
from .writing import Case, Step

SILENT = {ip: mac for ip, mac in STATIONS.items() if ip != BACKEND}
BACKENDS_VLAN = [port(), {"mac": "02:76:0a:64:00:02", "mtu": 1500, "ipv4": "10.100.0.2/16", "vlan": 100}]
INSIDE = "10.100.0.11"
INSIDE_STATION = {**STATIONS, INSIDE: "02:00:00:00:02:64"}
SETUPS = {
    "silent": setup(stations=SILENT),
    # Room for more flows than neighbors, and for each a source port.
    "many": setup(flows=8192, snat_ports="10000-59999"),
    "tagged": setup(service("tcp", [INSIDE]), service("udp", [INSIDE]), ports=BACKENDS_VLAN, stations=INSIDE_STATION),
}
# Clients on the segment that a worker knows, whatever backends it knows besides, and packets that
# wait for one neighbor (see `neighbor/`).
CLIENTS, WAITING_EACH = 2048, 512
# Offsets in untagged IPv4 frames: the ID, the client's last two bytes.
IP_ID, SOURCE = 18, 28


def question(target=BACKEND):
    """What Viaduct asks everybody."""
    return Ether(src=OURS, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=OURS, psrc=OWN, hwdst="00:00:00:00:00:00", pdst=target,
    )


def answer():
    return Ether(src=BACKEND_MAC, dst=OURS) / ARP(op=2, hwsrc=BACKEND_MAC, psrc=BACKEND, hwdst=OURS, pdst=OWN)


def waiting():
    first, second = udp(b"first"), udp(b"second")
    yield Case(
        "packets wait for an answer, and leave in order",
        Step(first(ASK), [question()], {"hold": 1}, flows_made=1),
        Step(second(ASK), verdicts={"hold": 1}),
        Step(answer(), [first(ASKED), second(ASKED)], {"absorb": 1, "hold": -2, "forward": 2}), setup="silent",
    )
    yield Case(
        "a neighbor that does not answer is asked three times, and then it has failed",
        Step(tcp("S")(ASK), [question()], {"hold": 1}, flows_made=1),
        Step(out=[question()], advance="1s"), Step(out=[question()], advance="1s"),
        Step(verdicts={"hold": -1, "drop neighbor_failed": 1}, advance="1s"),
        Step(tcp("S")(ASK), verdicts="drop neighbor_failed"),
        Step(tcp("S")(ASK), [question()], {"hold": 1}, advance="1s"),
        Step(answer(), [tcp("S")(ASKED)], {"absorb": 1, "hold": -1, "forward": 1}), setup="silent",
    )
    full = {"hold": WAITING_EACH, "drop neighbor_queue": 1}
    yield Case(
        "so many packets wait and no more",
        Step(udp()(ASK), [question()], full, repeat=WAITING_EACH + 1, flows_made=1),
        Step(answer(), verdicts={"absorb": 1, "hold": -WAITING_EACH, "forward": WAITING_EACH}, out_count=WAITING_EACH),
        setup="silent",
    )
    yield Case(
        "a worker that stops drops what waits",
        Step(udp()(ASK), [question()], {"hold": 1}, flows_made=1),
        Step(stop=True, verdicts={"hold": -1, "drop stopping": 1}), setup="silent",
    )


def tables():
    # Clients one after another from 10.99.8.0 on; what the ID loses keeps the checksum right.
    several = {"vary": [{"at": SOURCE, "by": 1}, {"at": IP_ID, "by": -1}]}
    client = udp(chksum=0, ip={"id": 0x8000})(ASK.but(ips=("10.99.8.0", ASK.ips[1])))
    # Besides the first.
    others = CLIENTS - 1
    yield Case(
        "so many clients on the segment are known and no more",
        Step(udp()(ASK), verdicts="forward", out_count=1, flows_made=1),
        Step(client, verdicts={"forward": others, "drop neighbor_table": 1}, repeat=others + 1, out_count=others,
             flows_made=others, **several),
        setup="many",
    )
    yield Case(
        "no room for the tag that the next port wants",
        Step(udp()(ASK), verdicts="drop headroom", headroom=0, flows_made=1), setup="tagged",
    )


def cases():
    yield from waiting()
    yield from tables()

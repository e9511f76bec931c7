//! Packets that another worker owns.

use super::*;

#[test]
fn replies_at_the_wrong_worker_are_handed_to_their_owner() {
    let mut rig = rig(2, None);
    for (port, via) in [(4000, 0), (4001, 1)] {
        let request = seen(&rig.exchange(via, &udp(client(port), vip(80), b"ping")));
        let (from, to) = reply_ends(&request);
        for at in 0..2 {
            let reply = seen(&rig.exchange(at, &udp(from, to, b"pong")));
            assert_eq!(reply.ends, [vip(80).1, client(port).1]);
        }
    }
    let handoffs: Vec<_> = rig
        .counters
        .iter()
        .map(|c| (c.verdicts.handoff.get(), c.handed_in.get()))
        .collect();
    assert_eq!(handoffs, [(1, 1), (1, 1)]);
}

#[test]
fn full_queues_drop_and_count() {
    let mut rig = rig(2, None);
    let request = seen(&rig.exchange(0, &udp(client(4000), vip(80), b"ping")));
    let (from, to) = reply_ends(&request);
    rig.wire.borrow_mut().inbox_limit = 0;
    rig.put(1, &udp(from, to, b"pong"));
    assert_eq!(rig.run().len(), 0);
    assert_eq!(rig.dropped(DropReason::HandoffQueue), 1);
    rig.wire.borrow_mut().transmit_limit = 0;
    rig.put(0, &udp(client(4000), vip(80), b"ping"));
    assert_eq!(rig.run().len(), 0);
    assert_eq!(rig.dropped(DropReason::TransmitQueue), 1);
}

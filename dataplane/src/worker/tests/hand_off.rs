//! Packets that another worker owns.

use super::*;
use crate::table::Mode;

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

#[test]
fn both_ways_of_a_gateway_flow_meet_at_one_worker() {
    for net in Net::ALL {
        let mut rig = wide_rig(3, &policy(Mode::Gateway));
        let (mut owners, vip) = ([false; 3], net.vip());
        for port in 4000..4020 {
            let client = net.client(port);
            let before: Vec<_> = rig.counters.iter().map(|c| c.flows_created.get()).collect();
            let packet = udp(client, vip, b"ping");
            let requests = [0, 1, 2].map(|worker| seen(&rig.exchange(worker, &packet)));
            assert!(requests.iter().all(|request| *request == requests[0]));
            let made = rig.counters.iter().zip(&before);
            let made: Vec<_> = made
                .map(|(c, before)| c.flows_created.get() - before)
                .collect();
            assert_eq!(made.iter().sum::<u64>(), 1);
            owners[made.iter().position(|n| *n == 1).expect("one made it")] = true;
            let (from, to) = reply_ends(&requests[0]);
            for worker in 0..3 {
                let reply = seen(&rig.exchange(worker, &udp(from, to, b"pong")));
                assert_eq!(reply.ends, [vip.1, client.1]);
            }
        }
        assert_eq!(owners, [true; 3], "all have a part");
    }
}

#[test]
fn direct_flows_need_no_hand_off_because_all_workers_choose_alike() {
    for net in Net::ALL {
        for mode in [Mode::Dsr, Mode::Ipip, Mode::Gue] {
            let mut rig = wide_rig(3, &policy(mode));
            for port in 4000..4010 {
                let packet = tcp(net.client(port), net.vip(), "A", b"data");
                let stations = [0, 1, 2].map(|worker| rig.exchange(worker, &packet)[..6].to_vec());
                assert!(stations.iter().all(|station| *station == stations[0]));
            }
            assert_eq!(rig.sum(|c| c.verdicts.handoff.get()), 0);
        }
    }
}

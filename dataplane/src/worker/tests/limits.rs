//! Bounds: of a service, of its clients, and of half-open connections.

use std::collections::BTreeSet;

use super::*;
use crate::table::{Limits, Mode, Prefix, SourceFilter};

fn limited(limits: Limits) -> Policy {
    Policy {
        limits,
        ..policy(Mode::Nat)
    }
}

/// How many of these clients' datagrams get through.
fn admitted(rig: &mut Rig, net: Net, ports: std::ops::Range<u16>) -> usize {
    let datagrams = ports.map(|port| udp(net.client(port), net.vip(), b""));
    datagrams
        .filter(|datagram| !rig.all_of(0, datagram).is_empty())
        .count()
}

#[test]
fn new_flows_have_a_rate_and_old_ones_go_on() {
    for net in Net::ALL {
        let limits = Limits {
            new_flows_per_second: Some(5),
            flows: None,
        };
        let mut rig = wide_rig(1, &limited(limits));
        assert_eq!(admitted(&mut rig, net, 4000..4008), 5);
        assert_eq!(rig.dropped(DropReason::RateLimit), 3);
        assert_eq!(admitted(&mut rig, net, 4000..4005), 5, "known flows");
        rig.now = Ticks(10);
        assert_eq!(admitted(&mut rig, net, 5000..5008), 5, "a second later");
    }
}

#[test]
fn flows_at_a_time_are_bounded_until_some_end() {
    for net in Net::ALL {
        let limits = Limits {
            new_flows_per_second: None,
            flows: Some(3),
        };
        let mut rig = wide_rig(1, &limited(limits));
        assert_eq!(admitted(&mut rig, net, 4000..4008), 3);
        assert_eq!(rig.dropped(DropReason::FlowLimit), 5);
        rig.wait_until(TIMEOUTS.udp.0 + 1);
        assert_eq!(admitted(&mut rig, net, 5000..5008), 3);
    }
}

#[test]
fn workers_share_a_bound() {
    let limits = Limits {
        new_flows_per_second: None,
        flows: Some(4),
    };
    let mut rig = wide_rig(2, &limited(limits));
    for worker in [0, 1] {
        for port in 4000..4008 {
            let port = port + 100 * worker as u16;
            rig.all_of(worker, &udp(Net::V4.client(port), Net::V4.vip(), b""));
        }
        assert_eq!(rig.counters[worker].flows_created.get(), 2);
    }
}

#[test]
fn clients_are_let_in_by_the_longest_prefix() {
    let prefix = |net: Net, number, len| Prefix {
        address: net.far_client(number, 0).1.ip(),
        len,
    };
    for (net, [wide, single]) in [(Net::V4, [24, 32]), (Net::V6, [64, 128])] {
        let allow = vec![prefix(net, 0, wide)];
        let deny = vec![prefix(net, 101, single)];
        let sources = Some(SourceFilter::new(allow, deny).into());
        for mode in Mode::ALL {
            let policy = Policy {
                sources: sources.clone(),
                ..policy(mode)
            };
            let mut rig = wide_rig(1, &policy);
            for (client, passes) in [
                (net.far_client(100, 4000), true),
                (net.far_client(101, 4000), false),
                (net.near_client(4000), false),
            ] {
                let sent = rig.all_of(0, &tcp(client, net.vip(), "S", b""));
                assert_eq!(
                    sent.len(),
                    usize::from(passes),
                    "{net:?} {mode:?} {client:?}"
                );
            }
            assert_eq!(rig.dropped(DropReason::SourceDenied), 2);
        }
    }
}

#[test]
fn established_connections_survive_a_flood_of_syns() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| [Mode::Nat, Mode::Gateway].map(|m| (net, m)))
    {
        let mut rig = wide_rig(1, &policy(mode));
        let clients: Vec<_> = (4000..4040).map(|port| net.client(port)).collect();
        let before: Vec<_> = clients
            .iter()
            .map(|client| open_from(&mut rig, *client, net.vip()))
            .collect();
        flood(&mut rig, net, 2000);
        // 40 of 64 places are taken for good; 16 may be half open.
        assert_eq!(rig.sum(|c| c.flows_evicted_half_open.get()), 2000 - 16);
        assert_eq!(rig.sum(|c| c.flows_evicted_idle.get()), 0);
        assert_eq!(rig.workers[0].pipeline().flows(), 40 + 16);
        for (client, before) in clients.iter().zip(&before) {
            let data = seen(&rig.exchange(0, &tcp(*client, net.vip(), "A", b"data")));
            assert_eq!(data.ends, before.ends);
            let (from, to) = reply_ends(before);
            let reply = seen(&rig.exchange(0, &tcp(from, to, "A", b"more")));
            assert_eq!(reply.ends, [net.vip().1, client.1]);
        }
        // And who comes meanwhile and is quick gets through.
        open_from(&mut rig, net.client(5000), net.vip());
        flood(&mut rig, net, 100);
        rig.exchange(0, &tcp(net.client(5000), net.vip(), "A", b"data"));
    }
}

/// SYNs from many places that are never followed by anything.
fn flood(rig: &mut Rig, net: Net, count: u16) {
    for n in 0..count {
        rig.put(
            0,
            &tcp(
                net.far_client((n % 50) as u8, 10_000 + n),
                net.vip(),
                "S",
                b"",
            ),
        );
    }
    assert_eq!(rig.run().len(), usize::from(count));
}

#[test]
fn a_flood_from_the_middle_of_connections_does_no_more() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| [Mode::Dsr, Mode::Ipip].map(|m| (net, m)))
    {
        let mut rig = wide_rig(1, &policy(mode));
        let client = net.client(4000);
        let open = |rig: &mut Rig| {
            rig.exchange(0, &tcp(client, net.vip(), "S", b""));
            rig.exchange(0, &tcp(client, net.vip(), "A", b""))
        };
        open(&mut rig);
        for n in 0..500 {
            rig.put(0, &tcp(net.far_client(7, 10_000 + n), net.vip(), "A", b"x"));
        }
        let sent = rig.run();
        rig.answer_arp(sent);
        assert_eq!(rig.workers[0].pipeline().flows(), 1 + 16);
        let created = rig.sum(|c| c.flows_created.get());
        rig.exchange(0, &tcp(client, net.vip(), "A", b"data"));
        assert_eq!(
            rig.sum(|c| c.flows_created.get()),
            created,
            "it is known still"
        );
    }
}

#[test]
fn a_full_table_gives_up_what_has_been_idle_for_longest() {
    let net = Net::V4;
    let mut rig = wide_rig(1, &policy(Mode::Nat));
    let mut sources = BTreeSet::new();
    for port in 4000..4064 {
        rig.now = Ticks(u32::from(port - 4000));
        sources.insert(open_from(&mut rig, net.client(port), net.vip()).ends[0]);
    }
    rig.now = Ticks(100);
    let sent = rig.all_of(0, &tcp(net.client(5000), net.vip(), "S", b""));
    let resets = sent.iter().filter(|frame| tcp_header(frame).rst);
    assert_eq!((sent.len(), resets.count()), (3, 2));
    assert_eq!(rig.sum(|c| c.flows_evicted_idle.get()), 1);
    // Its ends are told, and the one that went is the first.
    rig.exchange(0, &tcp(net.client(4001), net.vip(), "A", b"data"));
    let reset = rig.exchange(0, &tcp(net.client(4000), net.vip(), "A", b"data"));
    assert!(tcp_header(&reset).rst);
}

//! Connections that are forgotten: both ends are told, with the sequence numbers that they expect.

use etherparse::TcpHeader;

use super::*;
use crate::table::{Mode, Removal};

const TRANSLATING: [Mode; 2] = [Mode::Nat, Mode::Gateway];

/// What the client has last acknowledged in [`talk`], and the backend.
const CLIENT_EXPECTS: u32 = 3501;
const BACKEND_EXPECTS: u32 = 108;

fn segment(from: End, to: End, flags: &str, (sequence, ack): (u32, Option<u32>)) -> Vec<u8> {
    let mut header = TcpHeader::new(from.1.port(), to.1.port(), sequence, 1000);
    header.ack = ack.is_some();
    header.acknowledgment_number = ack.unwrap_or_default();
    tcp_from(between(from, to, PLAIN), header, flags, b"")
}

/// Opens a connection on which data has gone both ways; its first packet as the backend sees it.
fn talk(rig: &mut Rig, client: End, vip: End) -> Seen {
    let request = seen(&rig.exchange(0, &segment(client, vip, "S", (7, None))));
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &segment(from, to, "S", (3000, Some(8))));
    rig.exchange(0, &segment(client, vip, "", (8, Some(3001))));
    rig.exchange(0, &segment(from, to, "", (3001, Some(BACKEND_EXPECTS))));
    rig.exchange(0, &segment(client, vip, "", (108, Some(CLIENT_EXPECTS))));
    request
}

/// Checks that these are the resets of both ends of this connection.
fn check_both_resets(sent: &[Vec<u8>], client: End, vip: End, request: &Seen) {
    assert_eq!(sent.len(), 2);
    let told: Vec<_> = sent
        .iter()
        .map(|frame| (seen(frame), tcp_header(frame)))
        .collect();
    assert!(told.iter().all(|(_, tcp)| tcp.rst && !tcp.ack && !tcp.syn));
    let to = |end: SocketAddr| {
        told.iter()
            .find(|(seen, _)| seen.ends[1] == end)
            .expect("it is told")
    };
    let (seen, tcp) = to(client.1);
    assert_eq!((seen.ends[0], seen.macs), (vip.1, [client.0, OURS]));
    assert_eq!(tcp.sequence_number, CLIENT_EXPECTS);
    let (seen, tcp) = to(request.ends[1]);
    assert_eq!(
        (seen.ends[0], seen.macs[0]),
        (request.ends[0], request.macs[0])
    );
    assert_eq!(tcp.sequence_number, BACKEND_EXPECTS);
}

fn cases() -> impl Iterator<Item = (Net, Mode)> {
    Net::ALL
        .into_iter()
        .flat_map(|net| TRANSLATING.map(|mode| (net, mode)))
}

#[test]
fn both_ends_of_an_idle_connection_are_told() {
    for (net, mode) in cases() {
        let mut rig = wide_rig(1, &policy(mode));
        let (client, vip) = (net.client(4000), net.vip());
        let request = talk(&mut rig, client, vip);
        assert_eq!(rig.wait_until(1999), [] as [Vec<u8>; 0]);
        let sent = rig.wait_until(2001);
        check_both_resets(&sent, client, vip, &request);
        assert_eq!(rig.sum(|c| c.flows_ended.get()), 1);
    }
}

#[test]
fn connections_that_are_half_open_closed_or_direct_end_quietly() {
    for net in Net::ALL {
        for mode in Mode::ALL {
            let mut rig = wide_rig(1, &policy(mode));
            let vip = net.vip();
            rig.exchange(0, &tcp(net.client(4000), vip, "S", b""));
            if mode.returns_through_us() {
                let request = talk(&mut rig, net.client(4001), vip);
                let (from, to) = reply_ends(&request);
                rig.exchange(0, &tcp(from, to, "FA", b""));
                rig.exchange(0, &tcp(net.client(4001), vip, "FA", b""));
            } else {
                rig.exchange(0, &tcp(net.client(4001), vip, "S", b""));
                rig.exchange(0, &tcp(net.client(4001), vip, "A", b""));
            }
            rig.exchange(0, &udp(net.client(4002), vip, b""));
            assert_eq!(rig.wait_until(2100), [] as [Vec<u8>; 0], "{net:?} {mode:?}");
            assert_eq!(rig.sum(|c| c.flows_ended.get()), 3);
        }
    }
}

/// A rig with a connection to backend 1, which is then no longer there.
fn removed(net: Net, mode: Mode, removal: Removal) -> (Rig, Seen, Vec<Vec<u8>>) {
    let policy = Policy {
        removal,
        ..policy(mode)
    };
    let table = |number| wide_table(&policy, &[(number, 1)]);
    let mut rig = Setup::new(wide_network(1), table(1)).rig();
    let request = talk(&mut rig, net.client(4000), net.vip());
    rig.exchange(0, &tcp(net.client(4001), net.vip(), "S", b""));
    rig.tables.publish(table(2));
    let sent = rig.run();
    (rig, request, sent)
}

#[test]
fn both_ends_are_told_that_the_backend_is_removed() {
    for (net, mode) in cases() {
        let (mut rig, request, sent) = removed(net, mode, Removal::Reset);
        check_both_resets(&sent, net.client(4000), net.vip(), &request);
        assert_eq!(rig.sum(|c| c.flows_ended.get()), 2, "and the half-open one");
        let again = seen(&rig.exchange(0, &tcp(net.client(4000), net.vip(), "S", b"")));
        assert_eq!(again.ends[1], net.backend(2));
    }
}

#[test]
fn connections_may_be_kept_when_the_backend_is_removed() {
    for (net, mode) in cases() {
        let (mut rig, request, sent) = removed(net, mode, Removal::Keep);
        assert_eq!(sent, [] as [Vec<u8>; 0]);
        let data = tcp(net.client(4000), net.vip(), "A", b"data");
        assert_eq!(seen(&rig.exchange(0, &data)).ends, request.ends);
        let (from, to) = reply_ends(&request);
        let reply = seen(&rig.exchange(0, &tcp(from, to, "A", b"more")));
        assert_eq!(reply.ends[1], net.client(4000).1);
    }
}

#[test]
fn a_backend_that_drains_keeps_its_connections() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| Mode::ALL.map(|mode| (net, mode)))
    {
        let table = |weights: &[_]| wide_table(&policy(mode), weights);
        let mut rig = Setup::new(wide_network(1), table(&[(1, 1)])).rig();
        let (client, vip) = (net.client(4000), net.vip());
        rig.exchange(0, &tcp(client, vip, "S", b""));
        let before = rig.exchange(0, &tcp(client, vip, "A", b""));
        rig.tables.publish(table(&[(1, 0), (2, 1)]));
        assert_eq!(rig.run(), [] as [Vec<u8>; 0]);
        let after = rig.exchange(0, &tcp(client, vip, "A", b"data"));
        assert_eq!(after[..12], before[..12], "{net:?} {mode:?}");
        let fresh = rig.exchange(0, &tcp(net.client(4001), vip, "S", b""));
        assert_eq!(fresh[..6], backend_mac(2).0, "{net:?} {mode:?}");
        assert_eq!(rig.sum(|c| c.flows_ended.get()), 0);
    }
}

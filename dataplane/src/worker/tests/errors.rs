//! ICMP errors: about packets of flows, translated like them; and those that Viaduct sends itself.

use super::*;
use crate::table::Mode;
use crate::wire::icmp::{TIME_EXCEEDED, UNREACHABLE};

const TRANSLATING: [Mode; 2] = [Mode::Nat, Mode::Gateway];

/// Type and code of "port unreachable".
fn unreachable(net: Net) -> [u8; 2] {
    match net {
        Net::V4 => [3, 3],
        Net::V6 => [1, 4],
    }
}

fn cases() -> impl Iterator<Item = (Net, Mode)> {
    Net::ALL
        .into_iter()
        .flat_map(|net| TRANSLATING.map(|mode| (net, mode)))
}

#[test]
fn an_error_about_a_request_reaches_the_client_as_about_what_it_sent() {
    for (net, mode) in cases() {
        for payload in [&b""[..], &[7; 900]] {
            let mut rig = wide_rig(1, &policy(mode));
            let (client, vip) = (net.client(4000), net.vip());
            let request = rig.exchange(0, &tcp(client, vip, "S", payload));
            let [source, backend] = seen(&request).ends;
            let router = (station(backend.ip()), net.distant_router());
            let quote = packet_in(&request);
            // As routers do: all of it, or the header and eight bytes.
            for quote in [quote, &quote[..net.header_len() + 8]] {
                let error = icmp_error(router, source.ip(), unreachable(net), [0; 4], quote);
                let told = icmp(&rig.exchange(0, &error));
                assert_eq!(told.macs, [ROUTER_MAC, OURS]);
                assert_eq!(
                    told.addresses,
                    [router.1, client.1.ip()],
                    "{net:?} {mode:?}"
                );
                assert_eq!([told.kind, told.code], unreachable(net));
                assert_eq!(told.quoted_ends(), [client.1, vip.1]);
                assert_eq!(told.quote.len(), quote.len());
            }
        }
    }
}

#[test]
fn an_error_from_the_backend_itself_comes_from_the_vip() {
    for (net, mode) in cases() {
        let mut rig = wide_rig(1, &policy(mode));
        let (client, vip) = (net.client(4000), net.vip());
        let request = rig.exchange(0, &udp(client, vip, b"ping"));
        let [source, backend] = seen(&request).ends;
        let from = (station(backend.ip()), backend.ip());
        let error = icmp_error(
            from,
            source.ip(),
            unreachable(net),
            [0; 4],
            packet_in(&request),
        );
        let told = icmp(&rig.exchange(0, &error));
        assert_eq!(told.addresses, [vip.1.ip(), client.1.ip()]);
        assert_eq!(told.quoted_ends(), [client.1, vip.1]);
        quoted_checksum_is_right(&told);
    }
}

/// The packet that is quoted, whole, is right in its checksums.
fn quoted_checksum_is_right(told: &Icmp) {
    let kind = if told.addresses[0].is_ipv4() {
        [8, 0]
    } else {
        [0x86, 0xdd]
    };
    let frame = [&[0; 12][..], &kind, &told.quote].concat();
    assert_eq!(verify(&frame, true), Ok(()));
}

#[test]
fn an_error_about_an_answer_reaches_the_backend_as_about_what_it_sent() {
    for (net, mode) in cases() {
        let mut rig = wide_rig(1, &policy(mode));
        let (client, vip) = (net.client(4000), net.vip());
        let request = seen(&rig.exchange(0, &udp(client, vip, b"ping")));
        let (from, to) = reply_ends(&request);
        let reply = rig.exchange(0, &udp(from, to, b"pong"));
        let router = (ROUTER_MAC, net.distant_router());
        let quote = packet_in(&reply);
        let error = icmp_error(router, vip.1.ip(), unreachable(net), [0; 4], quote);
        let told = icmp(&rig.exchange(0, &error));
        assert_eq!(told.macs, [from.0, OURS]);
        assert_eq!(told.addresses, [router.1, from.1.ip()], "{net:?} {mode:?}");
        assert_eq!(told.quoted_ends(), [from.1, to.1]);
        quoted_checksum_is_right(&told);
    }
}

#[test]
fn too_big_for_the_way_back_keeps_its_mtu() {
    for (net, mode) in cases() {
        let mut rig = wide_rig(1, &policy(mode));
        let (client, vip) = (net.client(4000), net.vip());
        let request = seen(&rig.exchange(0, &udp(client, vip, b"ping")));
        let (from, to) = reply_ends(&request);
        let reply = rig.exchange(0, &udp(from, to, &[7; 1400]));
        let kind = if net == Net::V4 { [3, 4] } else { [2, 0] };
        let router = (ROUTER_MAC, net.distant_router());
        let quote = &packet_in(&reply)[..500];
        let error = icmp_error(router, vip.1.ip(), kind, [0, 0, 5, 0x10], quote);
        let told = icmp(&rig.exchange(0, &error));
        assert_eq!(([told.kind, told.code], told.rest), (kind, [0, 0, 5, 0x10]));
        assert_eq!(told.quoted_ends(), [from.1, to.1]);
    }
}

/// An answer that went straight to the client, and an error about it.
fn error_about_direct_answer(net: Net) -> Vec<u8> {
    let (_, client) = net.client(4000);
    let answer = udp((backend_mac(1), net.vip().1), (ROUTER_MAC, client), b"pong");
    let router = (ROUTER_MAC, net.distant_router());
    let vip = net.vip_address();
    icmp_error(router, vip, unreachable(net), [0; 4], packet_in(&answer))
}

#[test]
fn an_error_about_a_direct_answer_goes_on_to_the_backend() {
    for net in Net::ALL {
        for mode in [Mode::Dsr, Mode::Ipip, Mode::Gue] {
            let mut rig = wide_rig(1, &policy(mode));
            let request = rig.exchange(0, &udp(net.client(4000), net.vip(), b"ping"));
            let error = error_about_direct_answer(net);
            let told = rig.exchange(0, &error);
            assert_eq!(
                told[..12],
                request[..12],
                "to the same station: {net:?} {mode:?}"
            );
            if mode == Mode::Dsr {
                assert_eq!(icmp(&told).quote, icmp(&error).quote);
                assert_eq!(icmp(&told).addresses, icmp(&error).addresses);
            } else {
                assert_eq!(outer(&told).addresses, outer(&request).addresses);
                let quote = icmp(&error).quote;
                assert!(outer(&told).inner.ends_with(&quote), "{net:?} {mode:?}");
            }
        }
    }
}

#[test]
fn an_error_about_nothing_known_goes_nowhere() {
    for net in Net::ALL {
        let mut rig = wide_rig(2, &policy(Mode::Dsr));
        assert_eq!(rig.through(&error_about_direct_answer(net)), None);
        assert_eq!(rig.dropped(DropReason::IcmpUnrelated), 1);
        assert_eq!(rig.sum(|c| c.verdicts.handoff.get()), 1, "once around");
    }
}

#[test]
fn an_error_finds_the_worker_that_knows_the_flow() {
    for (net, mode) in cases() {
        let mut rig = wide_rig(3, &policy(mode));
        let (client, vip) = (net.client(4000), net.vip());
        let request = rig.exchange(0, &udp(client, vip, b"ping"));
        let [source, backend] = seen(&request).ends;
        let from = (station(backend.ip()), backend.ip());
        let error = icmp_error(
            from,
            source.ip(),
            unreachable(net),
            [0; 4],
            packet_in(&request),
        );
        for worker in 0..3 {
            let told = icmp(&rig.exchange(worker, &error));
            assert_eq!(told.quoted_ends(), [client.1, vip.1], "{net:?} {mode:?}");
        }
    }
}

#[test]
fn a_packet_that_does_not_fit_is_told_what_does_within_a_rate() {
    for net in Net::ALL {
        for mode in [Mode::Nat, Mode::Gateway, Mode::Dsr] {
            let mut network = wide_network(1);
            network.interfaces[0].mtu = 1400;
            let mut rig = Setup::new(network, wide_table(&policy(mode), &[(1, 1)])).rig();
            let (client, vip) = (net.client(4000), net.vip());
            rig.exchange(0, &udp(client, vip, b"ping"));
            let large = udp(client, vip, &[7; 1400]);
            for _ in 0..1100 {
                rig.put(0, &large);
            }
            let told = rig.run();
            assert_eq!(told.len(), 1000);
            assert_eq!(rig.dropped(DropReason::TooBig), 1100);
            let first = icmp(&told[0]);
            assert_eq!(first.rest[2..], 1400u16.to_be_bytes(), "{net:?} {mode:?}");
            assert_eq!(first.addresses, [net.own(), client.1.ip()]);
            assert_eq!(first.macs, [ROUTER_MAC, OURS]);
            assert_eq!(first.quoted_ends(), [client.1, vip.1]);
            rig.now = Ticks(10);
            rig.put(0, &large);
            assert_eq!(rig.run().len(), 1, "a second later");
        }
    }
}

#[test]
fn a_packet_with_its_last_hop_is_told_so_in_every_mode() {
    for net in Net::ALL {
        for mode in Mode::ALL {
            let mut rig = wide_rig(1, &policy(mode));
            let (client, vip) = (net.client(4000), net.vip());
            let last = Ip { hops: 1, ..PLAIN };
            let told = icmp(&rig.exchange(0, &udp_with(last, client, vip, b"ping")));
            let expected = if net == Net::V4 { TIME_EXCEEDED } else { 3 };
            assert_eq!((told.kind, told.code), (expected, 0));
            assert_eq!(told.addresses, [net.own(), client.1.ip()]);
            assert_eq!(told.quoted_ends(), [client.1, vip.1]);
            assert_eq!(rig.sum(|c| c.flows_created.get()), 0);
        }
    }
}

#[test]
fn a_damaged_error_is_not_believed() {
    for (net, mode) in cases() {
        let mut rig = wide_rig(1, &policy(mode));
        let request = rig.exchange(0, &udp(net.client(4000), net.vip(), b"ping"));
        let [source, backend] = seen(&request).ends;
        let from = (station(backend.ip()), backend.ip());
        let kind = if net == Net::V4 {
            [UNREACHABLE, 3]
        } else {
            [1, 4]
        };
        let mut error = icmp_error(from, source.ip(), kind, [0; 4], packet_in(&request));
        *error.last_mut().expect("not empty") ^= 1;
        assert_eq!(rig.through(&error), None);
        assert_eq!(rig.dropped(DropReason::IcmpChecksum), 1);
    }
}

#[test]
fn an_answer_that_does_not_fit_is_told_to_the_backend() {
    for (net, mode) in cases() {
        let mut network = wide_network(1);
        network.interfaces[0].mtu = 1400;
        let mut rig = Setup::new(network, wide_table(&policy(mode), &[(1, 1)])).rig();
        let request = seen(&rig.exchange(0, &udp(net.client(4000), net.vip(), b"ping")));
        let (from, to) = reply_ends(&request);
        let told = icmp(&rig.exchange(0, &udp(from, to, &[7; 1400])));
        assert_eq!(told.macs, [from.0, OURS]);
        assert_eq!(told.addresses, [net.own(), from.1.ip()]);
        assert_eq!(told.rest[2..], 1400u16.to_be_bytes());
        assert_eq!(told.quoted_ends(), [from.1, to.1]);
        assert_eq!(rig.dropped(DropReason::TooBig), 1);
    }
}

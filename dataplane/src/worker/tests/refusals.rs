//! What clients are told whose packets no backend can have.

use super::*;
use crate::table::{Mode, Refusal};

fn refusing(refusal: Refusal) -> Policy {
    Policy {
        refusal,
        ..policy(Mode::Nat)
    }
}

/// A rig whose services have no backends, under this policy.
fn deserted(refusal: Refusal) -> Rig {
    Setup::new(wide_network(1), wide_table(&refusing(refusal), &[(1, 0)])).rig()
}

fn port_unreachable(net: Net) -> (u8, u8) {
    match net {
        Net::V4 => (3, 3),
        Net::V6 => (1, 4),
    }
}

#[test]
fn a_syn_gets_a_reset_that_the_client_believes() {
    for net in Net::ALL {
        let mut rig = deserted(Refusal::Reset);
        let (client, vip) = (net.client(4000), net.vip());
        let reset = rig.exchange(0, &tcp(client, vip, "S", b"early"));
        let told = seen(&reset);
        assert_eq!(
            (told.ends, told.macs),
            ([vip.1, client.1], [ROUTER_MAC, OURS])
        );
        let header = tcp_header(&reset);
        assert!(header.rst && header.ack && !header.syn);
        assert_eq!(
            (header.sequence_number, header.acknowledgment_number),
            (0, 7 + 1 + 5)
        );
        assert_eq!(rig.dropped(DropReason::NoBackend), 1);
        assert_eq!(rig.sum(|c| c.refusals_sent.get()), 1);
    }
}

#[test]
fn a_packet_of_no_connection_gets_a_reset_where_the_client_is() {
    for net in Net::ALL {
        let mut rig = wide_rig(1, &refusing(Refusal::Reset));
        let reset = rig.exchange(0, &tcp(net.client(4000), net.vip(), "A", b"data"));
        let header = tcp_header(&reset);
        assert!(header.rst && !header.ack);
        assert_eq!(header.sequence_number, 9);
        assert_eq!(rig.dropped(DropReason::NoFlow), 1);
    }
}

#[test]
fn a_datagram_gets_port_unreachable() {
    for (net, refusal) in Net::ALL
        .into_iter()
        .flat_map(|net| [(net, Refusal::Reset), (net, Refusal::Unreachable)])
    {
        let mut rig = deserted(refusal);
        let (client, vip) = (net.client(4000), net.vip());
        let told = icmp(&rig.exchange(0, &udp(client, vip, b"ping")));
        assert_eq!((told.kind, told.code), port_unreachable(net));
        assert_eq!(told.addresses, [vip.1.ip(), client.1.ip()]);
        assert_eq!(told.quoted_ends(), [client.1, vip.1]);
        assert_eq!(rig.dropped(DropReason::NoBackend), 1);
    }
}

#[test]
fn a_service_may_refuse_connections_by_icmp_or_not_at_all() {
    for net in Net::ALL {
        let syn = tcp(net.client(4000), net.vip(), "S", b"");
        let told = icmp(&deserted(Refusal::Unreachable).exchange(0, &syn));
        assert_eq!((told.kind, told.code), port_unreachable(net));
        for packet in [syn, udp(net.client(4000), net.vip(), b"")] {
            let mut silent = deserted(Refusal::Drop);
            assert_eq!(silent.through(&packet), None);
            assert_eq!(silent.dropped(DropReason::NoBackend), 1);
        }
    }
}

#[test]
fn other_ports_of_a_vip_are_refused_as_the_network_says() {
    for net in Net::ALL {
        for refusal in Refusal::ALL {
            let mut network = wide_network(1);
            network.refusal = refusal;
            let table = wide_table(&policy(Mode::Dsr), &[(1, 1)]);
            let mut rig = Setup::new(network, table).rig();
            let other = (OURS, (net.vip_address(), 81).into());
            let told = rig.through(&tcp(net.client(4000), other, "S", b""));
            match refusal {
                Refusal::Reset => assert!(tcp_header(&told.expect("a reset")).rst),
                Refusal::Unreachable => {
                    let told = icmp(&told.expect("an error"));
                    assert_eq!((told.kind, told.code), port_unreachable(net));
                }
                Refusal::Drop => assert_eq!(told, None),
            }
            assert_eq!(rig.dropped(DropReason::NoService), 1);
        }
    }
}

#[test]
fn a_reset_is_never_answered() {
    for net in Net::ALL {
        let mut rig = deserted(Refusal::Reset);
        for flags in ["R", "RA"] {
            assert_eq!(
                rig.through(&tcp(net.client(4000), net.vip(), flags, b"")),
                None
            );
        }
        assert_eq!(rig.sum(|c| c.refusals_sent.get()), 0);
    }
}

#[test]
fn resets_and_errors_have_a_rate_each() {
    for net in Net::ALL {
        let mut rig = deserted(Refusal::Reset);
        let (client, vip) = (net.client(4000), net.vip());
        let packets = [tcp(client, vip, "S", b""), udp(client, vip, b"")];
        for packet in &packets {
            for _ in 0..1100 {
                rig.put(0, packet);
            }
        }
        assert_eq!(rig.run().len(), 2000);
        assert_eq!(rig.sum(|c| c.refusals_sent.get()), 2000);
        assert_eq!(rig.dropped(DropReason::NoBackend), 2200);
        rig.now = Ticks(5);
        for packet in packets.iter().cycle().take(1200) {
            rig.put(0, packet);
        }
        assert_eq!(rig.run().len(), 1000, "half a second's worth");
    }
}

#[test]
fn an_answer_goes_back_by_the_way_that_the_question_came() {
    let vlan = VlanId::new(7);
    let mut network = wide_network(1);
    network.interfaces[0].vlan = vlan;
    let mut rig = Setup::new(network, wide_table(&policy(Mode::Nat), &[(1, 0)])).rig();
    for net in Net::ALL {
        let from = (MacAddr([2, 9, 9, 9, 9, 9]), net.client(4000).1);
        let mut packet = tcp(from, net.vip(), "S", b"");
        packet.splice(12..12, [0x81, 0, 0, 7]);
        let reset = rig.through(&packet).expect("a reset");
        assert_eq!(reset[..6], from.0.0);
        assert_eq!(reset[12..16], [0x81, 0, 0, 7]);
        assert_eq!(seen(&reset).ends, [net.vip().1, from.1]);
    }
}

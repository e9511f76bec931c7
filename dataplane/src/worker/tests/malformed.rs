//! What is wrong with a packet, by the reason that it is dropped for.

use etherparse::PacketBuilder;

use super::*;

/// A good packet with one thing wrong, and the reason that it is dropped for.
fn malformed() -> Vec<(DropReason, Vec<u8>)> {
    let tcp_syn = || tcp(client(4000), vip(80), "S", b"payload");
    let udp_ok = || udp(client(4000), vip(80), b"payload");
    // Changes bytes of the IPv4 header and puts its checksum right again.
    let ip = |mut bytes: Vec<u8>, change: &[(usize, u8)]| {
        for &(at, value) in change {
            bytes[14 + at] = value;
        }
        bytes[24..26].copy_from_slice(&[0, 0]);
        let sum = crate::wire::checksum::checksum(&bytes[14..34]);
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    let at = |mut bytes: Vec<u8>, change: &[(usize, u8)]| {
        for &(at, value) in change {
            bytes[at] = value;
        }
        bytes
    };
    let own_source = tcp((CLIENT_MAC, (VIP, 9).into()), vip(80), "S", b"");
    vec![
        (DropReason::Truncated, tcp_syn()[..13].to_vec()),
        (DropReason::Truncated, tcp_syn()[..33].to_vec()),
        (
            DropReason::Truncated,
            at(tcp_syn(), &[(12, 0x81)])[..16].to_vec(),
        ),
        (DropReason::Truncated, ip(tcp_syn(), &[(3, 39)])),
        (DropReason::Truncated, ip(udp_ok(), &[(3, 27)])),
        (DropReason::NotForUs, at(tcp_syn(), &[(5, 99)])),
        (
            DropReason::NotForUs,
            at(
                tcp_syn(),
                &[
                    (0, 0xff),
                    (1, 0xff),
                    (2, 0xff),
                    (3, 0xff),
                    (4, 0xff),
                    (5, 0xff),
                ],
            ),
        ),
        (
            DropReason::EtherType,
            at(tcp_syn(), &[(12, 0x88), (13, 0xcc)]),
        ),
        (
            DropReason::AddressConflict,
            frame_arp(None, CLIENT_MAC, OURS, arp_from(OWN, CLIENT_MAC)),
        ),
        (
            DropReason::ArpInvalid,
            frame_arp(None, CLIENT_MAC, OURS, arp_from(CLIENT, MacAddr::BROADCAST)),
        ),
        (
            DropReason::Truncated,
            frame_arp(None, CLIENT_MAC, OURS, arp_from(CLIENT, CLIENT_MAC))[..41].to_vec(),
        ),
        (DropReason::Ipv4Header, ip(tcp_syn(), &[(0, 0x65)])),
        (DropReason::Ipv4Header, ip(tcp_syn(), &[(0, 0x44)])),
        (DropReason::Ipv4Length, ip(tcp_syn(), &[(2, 0xff)])),
        (DropReason::Ipv4Length, ip(tcp_syn(), &[(3, 19)])),
        (DropReason::Ipv4Checksum, at(tcp_syn(), &[(24, 1)])),
        (DropReason::Ipv4Source, ip(tcp_syn(), &[(12, 127)])),
        (DropReason::Ipv4Source, own_source),
        (DropReason::Protocol, ip(tcp_syn(), &[(9, 47)])),
        (DropReason::TcpHeader, at(tcp_syn(), &[(46, 0x40)])),
        (DropReason::TcpHeader, at(tcp_syn(), &[(46, 0xf0)])),
        (DropReason::TcpFlags, at(tcp_syn(), &[(47, 0x03)])),
        (DropReason::TcpFlags, at(tcp_syn(), &[(47, 0)])),
        (DropReason::UdpLength, at(udp_ok(), &[(38, 0), (39, 7)])),
        (DropReason::UdpLength, at(udp_ok(), &[(38, 1)])),
        (DropReason::TtlExpired, ip(tcp_syn(), &[(8, 1)])),
        (
            DropReason::NotLocal,
            tcp(
                client(1),
                (OURS, (Ipv4Addr::new(11, 9, 9, 9), 80).into()),
                "S",
                b"",
            ),
        ),
        (DropReason::NoService, tcp(client(1), vip(81), "S", b"")),
        (DropReason::NoFlow, tcp(client(1), vip(80), "A", b"")),
        (
            DropReason::NoFlow,
            tcp(client(1), (OURS, (SNAT, 2000).into()), "SA", b""),
        ),
        (
            DropReason::NoRoute,
            tcp(
                (CLIENT_MAC, (Ipv4Addr::new(172, 16, 0, 1), 1).into()),
                vip(80),
                "S",
                b"",
            ),
        ),
    ]
}

fn arp_from(sender_ip: Ipv4Addr, sender_mac: MacAddr) -> ArpPacket {
    let (target_mac, target_ip) = (MacAddr::ZERO, OWN);
    ArpPacket {
        operation: ArpOperation::Request,
        sender_mac,
        sender_ip,
        target_mac,
        target_ip,
    }
}

#[test]
fn each_fault_has_its_own_reason() {
    for (number, (reason, bytes)) in malformed().into_iter().enumerate() {
        let mut rig = rig(1, None);
        // What is wrong only by what it asks for is answered.
        let answered = matches!(
            reason,
            DropReason::TtlExpired
                | DropReason::NoService
                | DropReason::NoFlow
                | DropReason::NoBackend
        );
        let answer = rig.through(&bytes);
        assert_eq!(answer.is_some(), answered, "case {number}, {reason:?}");
        assert_eq!(rig.dropped(reason), 1, "case {number}, {reason:?}");
        assert_eq!(rig.wire.borrow().discarded, usize::from(!answered));
    }
}

#[test]
fn icmp_faults_have_their_reasons() {
    let echo = |kind: u8| {
        let builder = PacketBuilder::ethernet2(CLIENT_MAC.0, OURS.0)
            .ipv4(CLIENT.octets(), VIP.octets(), 9)
            .icmpv4_raw(kind, 0, [0; 4]);
        let mut bytes = vec![];
        builder
            .write(&mut bytes, b"data")
            .expect("a vector takes all");
        bytes
    };
    let mut rig = rig(1, None);
    assert_eq!(rig.through(&echo(13)), None);
    assert_eq!(rig.dropped(DropReason::Protocol), 1);
    let mut damaged = echo(8);
    damaged[40] ^= 1;
    assert_eq!(rig.through(&damaged), None);
    assert_eq!(rig.dropped(DropReason::IcmpChecksum), 1);
}

#[test]
fn every_split_of_a_packet_is_survived() {
    for whole in [
        tcp(client(1), vip(80), "S", b"x"),
        udp(client(1), vip(80), b"x"),
    ] {
        for len in 0..whole.len() {
            let mut rig = rig(1, None);
            assert_eq!(rig.through(&whole[..len]), None, "{len} bytes");
            assert_eq!(rig.wire.borrow().discarded, 1);
        }
    }
}

//! Next hops: asked for, waited for, probed; and what is answered and announced.

use super::*;

#[test]
fn the_packet_that_waits_for_arp_is_not_lost() {
    let mut rig = rig(1, None);
    rig.put(0, &tcp(client(4000), vip(80), "S", b""));
    let asked = rig.run();
    assert_eq!(asked.len(), 1);
    let request = ArpPacket::read(&asked[0][14..]).expect("an ARP request");
    assert_eq!((request.sender_ip, request.sender_mac), (OWN, OURS));
    assert_eq!(rig.counters[0].holding.get(), 1);
    let released = rig.answer_arp(asked);
    assert_eq!(seen(&released[0]).macs[0], mac_of(request.target_ip));
    assert_eq!(rig.counters[0].holding.get(), 0);
}

#[test]
fn a_silent_next_hop_drops_what_waited() {
    let mut rig = rig(1, None);
    rig.put(0, &tcp(client(4000), vip(80), "S", b""));
    let mut asked = rig.run().len();
    for tick in 1..=30 {
        rig.now = Ticks(tick);
        asked += rig.run().len();
    }
    assert_eq!((asked, rig.dropped(DropReason::NeighborFailed)), (3, 1));
    rig.put(0, &tcp(client(4000), vip(80), "S", b""));
    rig.run();
    assert_eq!(rig.dropped(DropReason::NeighborFailed), 2);
}

#[test]
fn a_backend_that_dies_is_probed_used_meanwhile_and_then_given_up() {
    let mut rig = rig(1, None);
    let packet = udp(client(4000), vip(80), b"");
    let first = rig.exchange(0, &packet);
    let (mut probes, mut forwarded) = (vec![], 0);
    for tick in (300..400).step_by(5) {
        rig.now = Ticks(tick);
        rig.put(0, &packet);
        for bytes in rig.run() {
            match ArpPacket::read(&bytes[14..]) {
                Some(_) => probes.push(bytes[..6].to_vec()),
                None => forwarded += 1,
            }
        }
    }
    let (station, all) = (first[..6].to_vec(), vec![0xff; 6]);
    let expected = [&station, &station, &station, &all, &all, &all];
    assert!(probes.iter().take(6).eq(expected), "{probes:x?}");
    assert_eq!(forwarded, (300..=360).step_by(5).count());
    assert!(rig.dropped(DropReason::NeighborFailed) > 0);
}

#[test]
fn arp_is_answered_for_own_source_and_virtual_addresses_only() {
    for (address, answered) in [(OWN, true), (SNAT, true), (VIP, true), (CLIENT, false)] {
        let mut rig = rig(1, None);
        let request = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: CLIENT_MAC,
            sender_ip: Ipv4Addr::new(10, 99, 0, 200),
            target_mac: MacAddr::ZERO,
            target_ip: address,
        };
        let reply = rig.through(&frame_arp(None, CLIENT_MAC, MacAddr::BROADCAST, request));
        let expected =
            answered.then(|| frame_arp(None, OURS, CLIENT_MAC, request.reply_from(OURS)));
        assert_eq!(reply, expected, "{address}");
    }
}

#[test]
fn echo_is_answered_for_own_addresses_and_vips() {
    for (address, answered) in [(OWN, true), (SNAT, true), (VIP, true), (CLIENT, false)] {
        let mut rig = rig(1, None);
        let builder = PacketBuilder::ethernet2(CLIENT_MAC.0, OURS.0)
            .ipv4(CLIENT.octets(), address.octets(), 9)
            .icmpv4_echo_request(77, 3);
        let mut bytes = vec![];
        builder
            .write(&mut bytes, b"odd")
            .expect("a vector takes all");
        let Some(reply) = rig.through(&bytes) else {
            assert!(!answered, "{address}");
            continue;
        };
        assert!(answered, "{address}");
        let expected = PacketBuilder::ethernet2(OURS.0, CLIENT_MAC.0)
            .ipv4(address.octets(), CLIENT.octets(), 64)
            .icmpv4_echo_reply(77, 3);
        let mut wanted = vec![];
        expected
            .write(&mut wanted, b"odd")
            .expect("a vector takes all");
        assert_eq!(reply, wanted);
    }
}

#[test]
fn stopping_drops_what_waits() {
    let mut rig = rig(1, None);
    rig.put(0, &tcp(client(4000), vip(80), "S", b""));
    rig.run();
    rig.workers[0].finish();
    rig.check_accounts();
    assert_eq!(rig.dropped(DropReason::Stopping), 1);
}

#[test]
fn clients_that_have_gone_leave_room_for_new_neighbors() {
    let mut rig = rig(1, None);
    rig.exchange(0, &udp(client(4000), vip(80), b""));
    for n in 0..2 * neighbor::CAPACITY as u32 {
        rig.now = Ticks(n * 20);
        // A whole Ethernet of clients: each has its own next hop.
        let address = Ipv4Addr::from_bits(OWN.to_bits() & !0x1_ffff | n);
        rig.put(0, &udp((CLIENT_MAC, (address, 9).into()), vip(80), b""));
        rig.run();
    }
    assert_eq!(rig.dropped(DropReason::NeighborTable), 0);
    assert_eq!(
        rig.counters[0].flows_created.get(),
        2 * neighbor::CAPACITY as u64 + 1
    );
}

#[test]
fn source_addresses_and_vips_are_announced_by_one_worker() {
    let mut rig = rig(2, None);
    for now in 0..40 {
        rig.now = Ticks(now);
        rig.run();
    }
    let read = |frame: &Vec<u8>| ArpPacket::read(&frame[14..]).expect("it is ARP");
    let announced: Vec<_> = rig.announced.iter().map(read).collect();
    assert!(announced.iter().all(|packet| packet.sender_mac == OURS));
    for address in [OWN, SNAT, VIP] {
        let times = announced
            .iter()
            .filter(|packet| packet.sender_ip == address);
        assert_eq!(times.count(), 3, "{address}");
    }
    let asked: u64 = rig.counters.iter().map(|c| c.originated.get()).sum();
    assert_eq!(asked, announced.len() as u64);
}

//! Viaduct's own addresses among others' claims.

use super::*;

const STRANGER: MacAddr = MacAddr([2, 0, 0, 0, 9, 9]);

fn claim(address: Ipv4Addr) -> Vec<u8> {
    let packet = ArpPacket::announcement(STRANGER, address);
    frame_arp(None, STRANGER, MacAddr::BROADCAST, packet)
}

fn question(address: Ipv4Addr) -> Vec<u8> {
    let packet = ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: CLIENT_MAC,
        sender_ip: CLIENT,
        target_mac: MacAddr::ZERO,
        target_ip: address,
    };
    frame_arp(None, CLIENT_MAC, MacAddr::BROADCAST, packet)
}

/// One worker whose pool is these addresses.
fn rig_in_pool(first: Ipv4Addr, last: Ipv4Addr) -> Rig {
    let mut network = network(1, None);
    network.pools.ipv4 = Some(first..=last);
    rig_on(network)
}

fn sticky_table(weights: &[(u8, u16)]) -> Table {
    let policy = Policy {
        source_affinity: true,
        ..Policy::new(TIMEOUTS)
    };
    table_under(&policy, weights)
}

impl Rig {
    fn until(&mut self, end: u32) {
        while self.now.0 < end {
            self.now = self.now.after(TickSpan(1));
            self.run();
        }
    }

    /// ARP that came without a question, by what it asks for.
    fn announced(&mut self, wanted: impl Fn(&ArpPacket) -> bool) -> usize {
        let announced = std::mem::take(&mut self.announced);
        let packets = announced.iter().filter_map(|f| ArpPacket::read(&f[14..]));
        packets.filter(wanted).count()
    }

    fn counted(&self, worker: usize) -> Vec<(u64, u64)> {
        let own = self.counters[worker].own_addresses.iter();
        own.map(|own| (own.conflicts.get(), own.duplicate.get()))
            .collect()
    }
}

fn is_probe_for(address: Ipv4Addr) -> impl Fn(&ArpPacket) -> bool {
    move |packet| packet.sender_ip.is_unspecified() && packet.target_ip == address
}

fn is_announcement_of(address: Ipv4Addr) -> impl Fn(&ArpPacket) -> bool {
    move |packet| packet.sender_ip == address && packet.sender_mac == OURS
}

#[test]
fn one_worker_probes_three_times_for_each_address() {
    for address in [OWN, SNAT] {
        let mut rig = rig(2, None);
        rig.run();
        rig.until(100);
        assert_eq!(rig.announced(is_probe_for(address)), 3);
    }
}

#[test]
fn an_address_of_somebody_else_is_not_answered_for_until_it_is_free() {
    let mut rig = rig(2, None);
    rig.run();
    // Another worker hears of it than the one that probes.
    rig.put(1, &claim(OWN));
    rig.run();
    assert_eq!(rig.dropped(DropReason::AddressConflict), 1);
    assert_eq!(rig.counted(0), [(1, 1), (0, 0)]);
    for worker in [0, 1] {
        rig.put(worker, &question(OWN));
        assert_eq!(rig.run(), [] as [Vec<u8>; 0], "worker {worker}");
        rig.put(worker, &question(SNAT));
        assert_eq!(rig.run().len(), 1, "worker {worker}");
    }
    rig.announced(|_| true);
    rig.until(590);
    assert_eq!(rig.announced(is_announcement_of(OWN)), 0);
    rig.until(650);
    assert_eq!(rig.counted(0), [(1, 0), (0, 0)]);
    rig.put(1, &question(OWN));
    assert_eq!(rig.run().len(), 1);
}

#[test]
fn an_address_in_use_is_defended_by_one_worker() {
    let mut rig = rig(2, None);
    rig.run();
    rig.until(100);
    rig.announced(|_| true);
    for worker in [0, 1, 1] {
        rig.put(worker, &claim(OWN));
        rig.run();
    }
    rig.until(110);
    assert_eq!(rig.announced(is_announcement_of(OWN)), 1);
    assert_eq!(rig.counted(0), [(3, 0), (0, 0)]);
    rig.put(1, &question(OWN));
    assert_eq!(rig.run().len(), 1);
}

#[test]
fn our_own_frames_that_come_back_are_no_conflict() {
    let mut rig = rig(1, None);
    let packet = ArpPacket::announcement(OURS, OWN);
    rig.put(0, &frame_arp(None, OURS, MacAddr::BROADCAST, packet));
    rig.run();
    assert_eq!(rig.dropped(DropReason::ArpInvalid), 1);
    assert_eq!(rig.counted(0), [(0, 0), (0, 0)]);
}

#[test]
fn a_link_that_comes_up_has_its_addresses_probed_and_announced_again() {
    let mut rig = rig(1, None);
    let queue = notices();
    let worker = rig.workers.remove(0).with_notices(Arc::clone(&queue));
    rig.workers.push(worker);
    rig.run();
    rig.until(100);
    rig.announced(|_| true);
    rig.until(200);
    assert_eq!(rig.announced(|_| true), 0);
    queue.push(0).expect("there is room");
    rig.until(300);
    let announced = std::mem::take(&mut rig.announced);
    rig.announced.clone_from(&announced);
    assert_eq!(rig.announced(is_probe_for(OWN)), 3);
    rig.announced = announced;
    assert_eq!(rig.announced(is_announcement_of(VIP)), 3);
}

#[test]
fn a_pool_address_without_vip_is_refused_and_others_are_not_ours() {
    let client = (CLIENT_MAC, SocketAddr::from((CLIENT, 4000)));
    let mut rig = rig_in_pool(VIP, Ipv4Addr::new(11, 0, 0, 9));
    let to = |last| (OURS, SocketAddr::from(([11, 0, 0, last], 80)));
    let reset = rig.exchange(0, &tcp(client, to(9), "S", b""));
    assert_eq!(seen(&reset).ends, [to(9).1, client.1]);
    assert_eq!(rig.dropped(DropReason::NoService), 1);
    assert_eq!(rig.through(&tcp(client, to(10), "S", b"")), None);
    assert_eq!(rig.dropped(DropReason::NotLocal), 1);
}

#[test]
fn a_client_comes_back_to_its_backend_after_others_have_come() {
    let mut moved = 0;
    for n in 0..32 {
        let client = (CLIENT_MAC, SocketAddr::from(([10, 98, 0, n], 4000)));
        let mut rig = rig_in_pool(VIP, VIP);
        let vip = (OURS, SocketAddr::from((VIP, 80)));
        rig.tables.publish(sticky_table(&[(1, 1), (2, 1)]));
        let first = backend_of(&mut rig, &tcp(client, vip, "S", b""));
        let wider: Vec<_> = (1..=9).map(|n| (n, 1)).collect();
        rig.tables.publish(sticky_table(&wider));
        let again = (client.0, SocketAddr::new(client.1.ip(), 4001));
        assert_eq!(backend_of(&mut rig, &tcp(again, vip, "S", b"")), first);
        rig.until(rig.now.0 + 3001);
        let late = (client.0, SocketAddr::new(client.1.ip(), 4002));
        moved += u32::from(backend_of(&mut rig, &tcp(late, vip, "S", b"")) != first);
    }
    // Without memory Maglev moves 7 of 9; all 32 clients staying by chance is out of the question.
    assert!(moved > 0);
}

#[test]
fn a_client_whose_backend_drains_gets_another() {
    let client = (CLIENT_MAC, SocketAddr::from((CLIENT, 4000)));
    let vip = (OURS, SocketAddr::from((VIP, 80)));
    let mut rig = rig_in_pool(VIP, VIP);
    rig.tables.publish(sticky_table(&[(1, 1), (2, 0)]));
    assert_eq!(backend_of(&mut rig, &tcp(client, vip, "S", b"")), 1);
    rig.tables.publish(sticky_table(&[(1, 0), (2, 1)]));
    let again = (CLIENT_MAC, SocketAddr::from((CLIENT, 4001)));
    assert_eq!(backend_of(&mut rig, &tcp(again, vip, "S", b"")), 2);
}

/// Number of the backend that a client's first packet goes to.
fn backend_of(rig: &mut Rig, packet: &[u8]) -> u8 {
    rig.put(0, packet);
    // Whoever is asked for answers: the client may be any.
    let sent = rig.run();
    let mut sent = rig.answer_arp(sent);
    assert_eq!(sent.len(), 1);
    match seen(&sent.remove(0)).ends[1].ip() {
        IpAddr::V4(ip) => ip.octets()[3] - 10,
        IpAddr::V6(ip) => panic!("{ip}"),
    }
}

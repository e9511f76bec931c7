//! A frame goes through every virtual driver: two ports that the driver, or a pair of virtual interfaces, connects.
//!
//! ```text
//!   port 0 ──┤ memif · AF_PACKET over veth · AF_XDP over veth · vhost-user ├── port 1
//! ```
//! `net_ring` and `net_null` are in `dpdk_traffic.rs`, the TAP driver in `dpdk_tap.rs`.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use dataplane::dpdk::{Eal, Link, LinkFault, Mbuf, Mempool, Port, PortSpec, WorkerIo, build};
use dataplane::frame::{BURST, Burst, Frame, Io};
use support::{MBUFS, alone, burst, frame, ip, open, packet, pool, spec, start, veth};

fn within(deadline: Instant, what: &str) {
    assert!(Instant::now() < deadline, "{what}");
    thread::yield_now();
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Sends the packets 0..`count` on port `from`, and waits until all have come out of port `to`, in order and whole.
fn cross(io: &mut WorkerIo, from: usize, to: usize, count: usize) {
    let deadline = deadline();
    let (mut sent, mut received) = (0, 0);
    while received < count {
        within(deadline, &format!("only {received} of {count} came"));
        if sent < count && sent < received + 2 * BURST {
            let mut frames = burst(io, sent..(sent + BURST / 2).min(count));
            let wanted = frames.len();
            io.transmit(from, &mut frames);
            sent += wanted - frames.len();
            io.discard(&mut frames);
        }
        let mut frames = Burst::new();
        io.receive(to, &mut frames);
        for frame in &frames {
            assert_eq!(frame.bytes(), packet(received));
            received += 1;
        }
        io.discard(&mut frames);
    }
}

fn worker(eal: &Eal, ports: &mut [Port], pool: &Mempool) -> WorkerIo {
    let mut workers = build(eal, ports, 1, pool).expect("one worker");
    workers.remove(0)
}

/// Opens both devices, and sends packets from each to the other.
fn both_ways(devices: [&str; 2]) -> (Eal, Mempool, [Port; 2], WorkerIo) {
    let eal = start(&devices);
    let pool = pool(&eal);
    let mut ports = devices.map(|device| open(&eal, device, 1, &pool));
    let mut io = worker(&eal, &mut ports, &pool);
    cross(&mut io, 0, 1, 500);
    cross(&mut io, 1, 0, 500);
    for port in &ports {
        let stats = port.stats().expect("every driver counts");
        let counts = (stats.rx_packets, stats.tx_packets);
        assert_eq!(counts, (500, 500), "{}", port.driver());
    }
    (eal, pool, ports, io)
}

#[test]
fn memif_carries_frames() {
    alone("memif_carries_frames", || {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("memif.sock");
        let device = |number: u8, role: &str| {
            let socket = socket.display();
            format!(
                "net_memif{number},role={role},id=3,socket-abstract=no,socket={socket},secret=psst"
            )
        };
        let (server, client) = (device(0, "server"), device(1, "client"));
        let (_eal, pool, ports, io) = both_ways([&server, &client]);
        assert!(ports.iter().all(|port| port.link().expect("a state").up));
        drop((io, ports));
        assert_eq!(pool.available(), MBUFS, "closing gives everything back");
    });
}

#[test]
fn af_packet_carries_frames() {
    alone("af_packet_carries_frames", || {
        veth();
        let (_eal, pool, ports, io) =
            both_ways(["net_af_packet0,iface=left", "net_af_packet1,iface=right"]);
        drop((io, ports));
        assert_eq!(pool.available(), MBUFS, "closing gives everything back");
    });
}

#[test]
fn af_xdp_carries_frames_and_leaves_no_program() {
    alone("af_xdp_carries_frames_and_leaves_no_program", || {
        veth();
        let (_eal, _pool, ports, io) =
            both_ways(["net_af_xdp0,iface=left", "net_af_packet1,iface=right"]);
        let shown = ip("-d link show left");
        assert!(shown.contains("prog/xdp"), "{shown}");
        drop((io, ports));
        let shown = ip("-d link show left");
        assert!(!shown.contains("prog/xdp"), "{shown}");
    });
}

#[test]
fn af_xdp_can_be_told_to_copy() {
    alone("af_xdp_can_be_told_to_copy", || {
        veth();
        both_ways([
            "net_af_xdp0,iface=left,start_queue=0,queue_count=1,force_copy=1,busy_budget=0",
            "net_af_packet1,iface=right",
        ]);
    });
}

#[test]
fn af_packet_spreads_over_its_queues() {
    alone("af_packet_spreads_over_its_queues", || {
        veth();
        let devices = [
            "net_af_packet0,iface=left,qpairs=2",
            "net_af_packet1,iface=right,qpairs=2",
        ];
        let eal = start(&devices);
        let pool = pool(&eal);
        let mut ports = devices.map(|device| open(&eal, device, 2, &pool));
        let mut workers = build(&eal, &mut ports, 2, &pool).expect("two workers");
        let mut frames: Burst<Mbuf> = (0..32_u8)
            .map(|flow| frame(&mut workers[0], &datagram(flow)))
            .collect();
        workers[0].transmit(1, &mut frames);
        assert!(frames.is_empty());
        let (mut flows, mut of_queue) = (BTreeSet::new(), [0; 2]);
        let deadline = deadline();
        while flows.len() < 32 {
            within(deadline, &format!("only {flows:?} came"));
            for (queue, receiver) in workers.iter_mut().enumerate() {
                receiver.receive(0, &mut frames);
                for frame in frames.drain(..) {
                    assert!(flows.insert(frame.bytes()[35]), "a flow came twice");
                    of_queue[queue] += 1;
                }
            }
        }
        assert!(of_queue.iter().all(|&frames| frames > 0), "{of_queue:?}");
    });
}

/// An empty UDP datagram with source port `flow`.
fn datagram(flow: u8) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14..24].copy_from_slice(&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17]);
    bytes[26..34].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
    bytes[34..40].copy_from_slice(&[0, flow, 0, 9, 0, 8]);
    bytes
}

#[test]
fn jumbo_frames_go_through_af_packet() {
    alone("jumbo_frames_go_through_af_packet", || {
        veth();
        let ring = "framesz=9216,blocksz=36864,framecnt=64";
        let devices =
            ["left", "right"].map(|end| format!("net_af_packet_{end},iface={end},{ring}"));
        let devices = devices.each_ref().map(String::as_str);
        let eal = start(&devices);
        let pool = Mempool::new(&eal, "jumbo", 2047, 64, 9344, None).expect("a pool");
        let mut ports = devices.map(|device| open_with_mtu(&eal, device, 9000, &pool));
        let shown = ip("link show left");
        assert!(shown.contains("mtu 9000"), "{shown}");
        let mut io = worker(&eal, &mut ports, &pool);
        for (from, to) in [(0, 1), (1, 0)] {
            cross_one(&mut io, from, to, 9014);
        }
    });
}

#[test]
fn frames_of_almost_a_page_go_through_af_xdp() {
    alone("frames_of_almost_a_page_go_through_af_xdp", || {
        veth();
        let ring = "framesz=3744,blocksz=4096,framecnt=64";
        let devices = [
            "net_af_xdp0,iface=left",
            &format!("net_af_packet1,iface=right,{ring}"),
        ];
        let eal = start(&devices);
        let pool = Mempool::new(&eal, "large", 4093, 64, 4032 - 192, None).expect("a pool");
        let mut ports = devices.map(|device| open_with_mtu(&eal, device, XDP_MTU, &pool));
        let mut io = worker(&eal, &mut ports, &pool);
        for (from, to) in [(0, 1), (1, 0)] {
            cross_one(&mut io, from, to, 14 + usize::from(XDP_MTU));
        }
    });
}

/// The largest whose frames, with what DPDK and the kernel put in front, fit a page.
const XDP_MTU: u16 = 3430;

fn open_with_mtu(eal: &Eal, device: &str, mtu: u16, pool: &Mempool) -> Port {
    let wanted = PortSpec {
        mtu,
        ..spec(device, 1)
    };
    Port::open(eal, &wanted, pool).unwrap_or_else(|error| panic!("{error}"))
}

/// Sends one frame of `length` bytes on port `from`, and waits for it on port `to`.
fn cross_one(io: &mut WorkerIo, from: usize, to: usize, length: usize) {
    let sent: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
    let mut frames = Burst::from_iter([frame(io, &sent)]);
    io.transmit(from, &mut frames);
    assert!(frames.is_empty(), "port {from} did not take it");
    let deadline = deadline();
    while frames.is_empty() {
        within(deadline, "the frame never came");
        io.receive(to, &mut frames);
    }
    assert!(frames[0].is_contiguous());
    assert_eq!(frames[0].bytes(), sent);
}

#[test]
fn the_link_is_the_interfaces() {
    alone("the_link_is_the_interfaces", || {
        veth();
        let devices = ["net_af_xdp0,iface=left", "net_af_packet1,iface=right"];
        let eal = start(&devices);
        let pool = pool(&eal);
        let ports = devices.map(|device| open(&eal, device, 1, &pool));
        let links = || ports.each_ref().map(|port| port.link().expect("a state"));
        let faults = || links().map(|link: Link| link.fault);
        assert_eq!(faults(), [None, None]);
        assert!(links().iter().all(|link| link.up));
        ip("link set right down");
        assert_eq!(
            faults(),
            [Some(LinkFault::NoCarrier), Some(LinkFault::SetDown)]
        );
        assert!(links().iter().all(|link| !link.up));
        ip("link set right up");
        // The kernel tells of a carrier when it comes to it.
        while faults().contains(&Some(LinkFault::NoCarrier)) {
            thread::yield_now();
        }
        assert_eq!(faults(), [None, None]);
        ip("link delete left");
        assert_eq!(faults(), [Some(LinkFault::Gone); 2]);
    });
}

/// A capture file (libpcap's format, microseconds, Ethernet) of these packets.
fn capture(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    for value in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, 1] {
        word(&mut file, value);
    }
    for packet in packets {
        let length = u32::try_from(packet.len()).expect("a short packet");
        for value in [0, 0, length, length] {
            word(&mut file, value);
        }
        file.extend(packet);
    }
    file
}

/// The packets of a capture file.
fn captured(file: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut rest = &file[24..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().expect("four bytes")) as usize;
        packets.push(rest[16..16 + length].to_vec());
        rest = &rest[16 + length..];
    }
    packets
}

#[test]
fn pcap_reads_one_file_and_writes_another() {
    alone("pcap_reads_one_file_and_writes_another", || {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let packets: Vec<_> = (0..100).map(packet).collect();
        std::fs::write(path("in"), capture(&packets)).expect("writable");
        let device = format!("net_pcap0,rx_pcap={},tx_pcap={}", path("in"), path("out"));
        let eal = start(&[&device]);
        let pool = pool(&eal);
        let mut ports = [open(&eal, &device, 1, &pool)];
        let mut io = worker(&eal, &mut ports, &pool);
        let (mut moved, deadline) = (0, deadline());
        while moved < packets.len() {
            within(deadline, "the file ends too early");
            let mut frames = Burst::new();
            io.receive(0, &mut frames);
            moved += frames.len();
            io.transmit(0, &mut frames);
            assert!(frames.is_empty());
        }
        drop((io, ports));
        let written = std::fs::read(path("out")).expect("the driver made it");
        assert_eq!(captured(&written), packets);
    });
}

/// Set in the process that plays the vhost-user backend: the socket's path.
const BACKEND: &str = "VIADUCT_TEST_VHOST";

/// The other side of `virtio_user`: another process, which sends every frame back until it is killed.
struct Backend(Child);

impl Backend {
    fn start(socket: &Path) -> Self {
        let program = std::env::current_exe().expect("the test binary's path");
        let child = Command::new(program)
            .args(["--exact", "virtio_user_carries_frames", "--nocapture"])
            .env(BACKEND, socket)
            .spawn()
            .expect("a second process");
        let deadline = deadline();
        while !socket.exists() {
            within(deadline, "the backend does not come up");
        }
        Self(child)
    }

    fn run(socket: &Path) -> ! {
        let device = format!("net_vhost0,iface={}", socket.display());
        let options = dataplane::dpdk::EalOptions {
            file_prefix: format!("viaduct-test-vhost-{}", std::process::id()),
            ..support::options(&[&device])
        };
        support::pin(options.main_core);
        let eal = Eal::init(&options).expect("starts");
        let pool = pool(&eal);
        let mut ports = [open(&eal, &device, 1, &pool)];
        let mut io = worker(&eal, &mut ports, &pool);
        loop {
            let mut frames = Burst::new();
            io.receive(0, &mut frames);
            io.transmit(0, &mut frames);
            io.discard(&mut frames);
            thread::yield_now();
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let directory = format!("/var/run/dpdk/viaduct-test-vhost-{}", self.0.id());
        // It may have died; either way it is reaped, and what a killed process leaves is removed.
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(directory);
    }
}

#[test]
fn virtio_user_carries_frames() {
    if let Some(socket) = std::env::var_os(BACKEND) {
        Backend::run(Path::new(&socket));
    }
    alone("virtio_user_carries_frames", || {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("vhost.sock");
        let _backend = Backend::start(&socket);
        let device = format!("net_virtio_user0,path={},queues=1", socket.display());
        let eal = start(&[&device]);
        let pool = pool(&eal);
        let mut ports = [open(&eal, &device, 1, &pool)];
        let mut io = worker(&eal, &mut ports, &pool);
        cross(&mut io, 0, 0, 500);
    });
}

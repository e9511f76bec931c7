//! The TAP driver, against the kernel's own UDP in a namespace of the test's own.
//!
//! ```text
//!   UdpSocket 192.0.2.1 ── vdtap (kernel side) ──┤TAP├── port 0 (DPDK side) 192.0.2.2, answers here
//! ```

mod support;

use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use dataplane::dpdk::{Eal, Mbuf, Mempool, Port, WorkerIo, build};
use dataplane::frame::{Burst, Frame, Io};
use support::{MBUFS, alone, alone_under, open, pool, spec, start};

const VDEV: &str = "net_tap0,iface=vdtap";
const KERNEL_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Runs `ip` with these words.
fn ip(words: &str) -> String {
    let output = Command::new("ip")
        .args(words.split(' '))
        .output()
        .expect("iproute2 is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Gives the kernel side its own MAC and address, and tells it where 192.0.2.2 is.
fn connect(port: &Port) {
    ip(&format!("link set vdtap address {}", mac_text(KERNEL_MAC)));
    ip("addr add 192.0.2.1/24 dev vdtap");
    ip("link set vdtap up");
    let mac = mac_text(port.mac());
    ip(&format!(
        "neigh replace 192.0.2.2 lladdr {mac} dev vdtap nud permanent"
    ));
}

/// One TAP port with `queues` queue pairs, its workers, and a kernel socket on the other side.
struct Setup {
    socket: UdpSocket,
    workers: Vec<WorkerIo>,
    port: Port,
    pool: Mempool,
    _eal: Eal,
}

fn set_up(queues: u16) -> Setup {
    let eal = start(&[VDEV]);
    let pool = pool(&eal);
    let mut port = open(&eal, VDEV, queues, &pool);
    connect(&port);
    let workers = build(
        &eal,
        std::slice::from_mut(&mut port),
        usize::from(queues),
        &pool,
    )
    .expect("workers");
    let socket = UdpSocket::bind("192.0.2.1:7000").expect("the kernel side's address");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    Setup {
        socket,
        workers,
        port,
        pool,
        _eal: eal,
    }
}

/// Whether this is a UDP packet to 192.0.2.2.
fn is_ours(bytes: &[u8]) -> bool {
    bytes.len() >= 42
        && bytes[12..14] == [8, 0]
        && bytes[23] == 17
        && bytes[30..34] == [192, 0, 2, 2]
}

/// Swaps both ends' addresses and ports. The sums in the checksums stay the same.
fn turn_around(bytes: &mut [u8]) {
    for (one, other, length) in [(0, 6, 6), (26, 30, 4), (34, 36, 2)] {
        for place in 0..length {
            bytes.swap(one + place, other + place);
        }
    }
}

/// Polls all workers until `wanted` packets for us have come, and gives each to `each`; fails after 20 seconds.
fn poll(workers: &mut [WorkerIo], wanted: usize, mut each: impl FnMut(usize, &mut WorkerIo, Mbuf)) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut seen = 0;
    while seen < wanted {
        assert!(
            Instant::now() < deadline,
            "only {seen} of {wanted} packets came"
        );
        for (number, worker) in workers.iter_mut().enumerate() {
            let mut frames = Burst::new();
            worker.receive(0, &mut frames);
            for frame in frames
                .drain(..)
                .filter(|frame: &Mbuf| is_ours(frame.bytes()))
            {
                seen += 1;
                each(number, worker, frame);
            }
        }
        thread::yield_now();
    }
}

#[test]
fn packets_go_both_ways() {
    alone("packets_go_both_ways", || {
        let mut setup = set_up(1);
        let before = setup.pool.available();
        for number in 0..100_u8 {
            let payload = vec![number; 1 + usize::from(number) * 14];
            setup.socket.send_to(&payload, "192.0.2.2:9").expect("sent");
            poll(&mut setup.workers, 1, |_, worker, mut frame| {
                assert_eq!(frame.bytes()[42..][..payload.len()], payload);
                assert_eq!(frame.bytes()[6..12], KERNEL_MAC);
                turn_around(frame.bytes_mut());
                let mut frames = Burst::from_iter([frame]);
                worker.transmit(0, &mut frames);
                assert!(frames.is_empty());
            });
            let mut answer = [0; 2000];
            let (length, from) = setup.socket.recv_from(&mut answer).expect("an answer");
            assert_eq!(from, "192.0.2.2:9".parse().expect("an address"));
            assert_eq!(answer[..length], payload);
        }
        let stats = setup.port.stats().expect("net_tap counts");
        assert!(
            stats.rx_packets >= 100 && stats.tx_packets == 100,
            "{stats:?}"
        );
        assert_eq!(
            setup.pool.available(),
            before,
            "what the driver holds does not grow"
        );
        let pool = setup.pool.clone();
        drop((setup.workers, setup.port));
        assert_eq!(pool.available(), MBUFS, "closing gives everything back");
    });
}

#[test]
fn two_queues_come_up_and_both_receive() {
    alone("two_queues_come_up_and_both_receive", || {
        let mut setup = set_up(2);
        assert_eq!(
            setup.port.rss(),
            None,
            "the kernel spreads by a hash of its own"
        );
        for port in 0..64 {
            let target = format!("192.0.2.2:{}", 1000 + port);
            setup.socket.send_to(b"flow", target).expect("sent");
        }
        let mut received = [0; 2];
        poll(&mut setup.workers, 64, |worker, _, _| received[worker] += 1);
        assert!(received.iter().all(|&packets| packets > 0), "{received:?}");
    });
}

#[test]
fn the_kernel_side_follows_the_port() {
    alone("the_kernel_side_follows_the_port", || {
        let eal = start(&[VDEV]);
        let pool = pool(&eal);
        let mut wanted = spec(VDEV, 1);
        wanted.mtu = 1400;
        wanted.promiscuous = true;
        let port = Port::open(&eal, &wanted, &pool).expect("opens");
        assert_eq!(port.driver(), "net_tap");
        let shown = ip("link show vdtap");
        assert!(
            shown.contains("mtu 1400") && shown.contains("PROMISC"),
            "{shown}"
        );
        assert!(
            shown.contains(&mac_text(port.mac())),
            "one MAC on both sides: {shown}"
        );
        assert!(port.link().expect("a state").up);
        let offloads = port.offloads();
        assert!(
            offloads.rx_ipv4_checksum && offloads.tx_ipv4_checksum,
            "{offloads:?}"
        );
        drop(port);
        let links = ip("-o link");
        assert!(!links.contains("vdtap"), "closed, but still there: {links}");
    });
}

/// With room for two pending signals the kernel falls back to SIGIO, whose default action would end the process.
#[test]
fn a_flood_of_packets_does_not_kill_the_process() {
    let wrapper = ["prlimit", "--sigpending=2"];
    alone_under(
        &wrapper,
        "a_flood_of_packets_does_not_kill_the_process",
        || {
            let mut setup = set_up(1);
            for _ in 0..5 {
                for _ in 0..200 {
                    setup.socket.send_to(b"flood", "192.0.2.2:9").expect("sent");
                }
                poll(&mut setup.workers, 200, |_, _, _| {});
            }
        },
    );
}

#[test]
fn a_port_whose_interface_vanished_is_refused() {
    alone("a_port_whose_interface_vanished_is_refused", || {
        let eal = start(&[VDEV]);
        let pool = pool(&eal);
        ip("link delete vdtap");
        let refused = Port::open(&eal, &spec(VDEV, 1), &pool);
        let error = refused.expect_err("nothing to open").to_string();
        assert!(
            error.contains("port `port`: cannot set the mtu: No such device"),
            "{error}"
        );
        assert_eq!(pool.available(), MBUFS);
    });
}

#[test]
fn the_mac_can_be_chosen() {
    alone("the_mac_can_be_chosen", || {
        let eal = start(&[
            "net_tap0,iface=vdtap,mac=02:00:00:00:00:07",
            "net_tap1,iface=vdtap1,mac=fixed",
        ]);
        let pool = pool(&eal);
        assert_eq!(open(&eal, "net_tap0", 1, &pool).mac(), [2, 0, 0, 0, 0, 7]);
        assert_eq!(&open(&eal, "net_tap1", 1, &pool).mac()[..5], b"\x02dtap");
    });
}

//! EAL starts once per process and TAP ports belong into a network namespace of their own, so each test
//! runs as a child process: this test binary again, under `unshare --net`, for one test. When the child is gone so are
//! its namespace and interfaces, also after a panic. Needs root; without it the tests fail and say so.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use dataplane::dpdk::{Eal, EalOptions, Mbuf, Memory, Mempool, Port, PortSpec, WorkerIo, mempool};
use dataplane::frame::{Burst, Frame, Io};

/// Set in the child: the EAL file prefix that its parent will look for afterwards.
const PREFIX: &str = "VIADUCT_TEST_PREFIX";

/// Buffers of the tests' pool; odd sizes show accounting mistakes.
pub(crate) const MBUFS: u32 = 4093;

/// Runs `body` as the test `name` in a process and network namespace of its own.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    alone_under(&[], name, body);
}

/// The same, with `wrapper` (a command that runs another one, as `prlimit …`) around the child.
pub(crate) fn alone_under(wrapper: &[&str], name: &str, body: impl FnOnce()) {
    if env::var_os(PREFIX).is_some() {
        return body();
    }
    let prefix = format!("viaduct-test-{}-{name}", std::process::id());
    let test_binary = env::current_exe().expect("the test binary's path");
    let mut words: Vec<&str> = wrapper.to_vec();
    words.extend(["unshare", "--net", "--"]);
    let status = Command::new(words[0])
        .args(&words[1..])
        .arg(test_binary)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(PREFIX, &prefix)
        .status()
        .expect("`unshare` of util-linux must be installed");
    assert!(
        status.success(),
        "{name} failed in its namespace ({status}); creating one needs root"
    );
    let left = runtime_directory(&prefix);
    assert!(!left.exists(), "{} was left behind", left.display());
}

/// EAL's runtime directory of root for this prefix.
fn runtime_directory(prefix: &str) -> PathBuf {
    Path::new("/var/run/dpdk").join(prefix)
}

/// The CPU that plays the control core.
pub(crate) fn control_core() -> u32 {
    let ids = core_affinity::get_core_ids().expect("the CPUs of this process");
    u32::try_from(ids[0].id).expect("a CPU number")
}

/// Pins the calling thread to `core`.
pub(crate) fn pin(core: u32) {
    let id = core as usize;
    assert!(
        core_affinity::set_for_current(core_affinity::CoreId { id }),
        "CPU {core}"
    );
}

/// EAL's options for a test: 128 MiB of ordinary memory and `vdevs`.
pub(crate) fn options(vdevs: &[&str]) -> EalOptions {
    EalOptions {
        file_prefix: env::var(PREFIX).expect("run through `alone`"),
        main_core: control_core(),
        memory: Memory::Anonymous { mib: 128 },
        vdevs: vdevs.iter().map(ToString::to_string).collect(),
        pci: Vec::new(),
        extra: Vec::new(),
    }
}

/// Pins to the control core and starts EAL.
pub(crate) fn start(vdevs: &[&str]) -> Eal {
    // All CPUs are counted before the first pinning narrows what can be seen.
    let options = options(vdevs);
    pin(options.main_core);
    match Eal::init(&options) {
        Ok(eal) => eal,
        Err(error) => panic!("{error}"),
    }
}

/// A pool of [`MBUFS`] buffers of the default size.
pub(crate) fn pool(eal: &Eal) -> Mempool {
    Mempool::new(eal, "packets", MBUFS, 64, mempool::DEFAULT_DATA_ROOM, None).expect("a small pool")
}

/// `device` with `queues` queue pairs and small rings.
pub(crate) fn spec(device: &str, queues: u16) -> PortSpec {
    PortSpec {
        rx_queues: queues,
        tx_queues: queues,
        rx_descriptors: 256,
        tx_descriptors: 256,
        ..PortSpec::new("port", device)
    }
}

/// Opens `device` with `queues` queue pairs.
pub(crate) fn open(eal: &Eal, device: &str, queues: u16, pool: &Mempool) -> Port {
    match Port::open(eal, &spec(device, queues), pool) {
        Ok(port) => port,
        Err(error) => panic!("{error}"),
    }
}

/// The packet with number `number`: 60 bytes or more, different from all others.
pub(crate) fn packet(number: usize) -> Vec<u8> {
    let mut bytes = vec![0; 60 + number % 1000];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = (number.wrapping_mul(31) ^ place) as u8;
    }
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    bytes
}

/// A new frame that holds `bytes`.
pub(crate) fn frame(io: &mut WorkerIo, bytes: &[u8]) -> Mbuf {
    let mut frame = io.allocate().expect("the pool has buffers");
    assert!(frame.assign(bytes), "{} bytes fit", bytes.len());
    frame
}

/// A burst of the packets with these numbers.
pub(crate) fn burst(io: &mut WorkerIo, numbers: std::ops::Range<usize>) -> Burst<Mbuf> {
    numbers.map(|number| frame(io, &packet(number))).collect()
}

/// Runs `ip` with these words.
pub(crate) fn ip(words: &str) -> String {
    let output = Command::new("ip")
        .args(words.split(' '))
        .output()
        .expect("iproute2 is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Keeps the kernel from sending anything of its own on an interface.
pub(crate) fn silence(interface: &str) {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
    // A kernel without IPv6 sends nothing either.
    let _ = std::fs::write(path, "1");
}

/// A pair of virtual Ethernet interfaces, `left` and `right`.
pub(crate) fn veth() {
    ip("link add left type veth peer name right");
    for end in ["left", "right"] {
        silence(end);
        ip(&format!("link set {end} up"));
    }
}

//! What DPDK's drivers write when they refuse a device, and what an operator can do about it.
//!
//! A virtual device that cannot be made is only a line in EAL's log; nothing fails until somebody looks for the
//! device. Here its lines are found again. The phrases are those of DPDK 22.11; an unknown one is still quoted.

/// The line that ends a virtual device's failure in EAL's log.
const FAILED: &str = "failed to initialize ";

/// What EAL logged about making `device`, without its last line, if it failed.
pub(super) fn failure(log: &str, device: &str) -> Option<String> {
    let end = format!("{FAILED}{device} device");
    let mut lines: Vec<&str> = Vec::new();
    for line in log.lines() {
        if line.contains(&end) {
            return Some(lines.join("\n"));
        }
        if line.contains(FAILED) {
            lines.clear();
        } else {
            lines.push(line);
        }
    }
    None
}

/// Phrase in the log, and what to do.
const ADVICE: &[(&str, &str)] = &[
    (
        "larger than combined queue count",
        "the interface has fewer queues than there are workers: use fewer CPUs in workers.cores, or give the \
         interface more queues (ethtool -L INTERFACE combined N; a veth interface always counts as one)",
    ),
    ("Failed to get channel info", NO_INTERFACE),
    ("SIOCGIFINDEX", NO_INTERFACE),
    ("No such device exists", NO_INTERFACE),
    (
        "AF_PACKET socket",
        "AF_PACKET sockets need CAP_NET_RAW: run as root, or grant it",
    ),
    (
        "Failed to configure xdp socket",
        "the kernel refused the AF_XDP socket. It needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF (run as root), an interface \
         without another XDP program (`ip -d link show INTERFACE`; `ip link set dev INTERFACE xdp off` removes one), a queue \
         that no other AF_XDP program has, and 2048 packet buffers for each queue (memory.mbufs)",
    ),
    (
        "/dev/vhost-net",
        "this kernel has no vhost-net: load it (modprobe vhost_net), or use driver = \"tap\"",
    ),
    (
        "Failed to setup backend",
        "no vhost-user backend listens on the port's `path`: start the backend first, and check the path",
    ),
    (
        "Invalid socket directory",
        "the folder of the memif port's `socket` does not exist: create it",
    ),
    (
        "Couldn't open",
        "libpcap cannot open it: check the path, that it is a capture file, and its permissions",
    ),
];

const NO_INTERFACE: &str = "there is no such network interface in the network namespace that Viaduct runs in: check the \
     port's `interface` against `ip link`";

/// What to do about a refusal that DPDK explained like this; the first phrase that fits.
pub(super) fn advice(log: &str) -> Option<&'static str> {
    let fitting = ADVICE.iter().find(|(phrase, _)| log.contains(phrase));
    fitting.map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
init_internals(): Specified queue count 2 is larger than combined queue count 1.
rte_pmd_af_xdp_probe(): Failed to init internals
vdev_probe(): failed to initialize net_af_xdp0 device
rte_pmd_init_internals(): net_af_packet1: ioctl failed (SIOCGIFINDEX):No such device
vdev_probe(): failed to initialize net_af_packet1 device
EAL: Bus (vdev) probe failed.
";

    #[test]
    fn each_device_gets_its_own_lines() {
        let first = failure(LOG, "net_af_xdp0").expect("it failed");
        assert_eq!(first.lines().count(), 2);
        assert!(advice(&first).is_some_and(|text| text.contains("workers.cores")));
        let second = failure(LOG, "net_af_packet1").expect("it failed");
        assert!(second.starts_with("rte_pmd_init_internals()") && second.lines().count() == 1);
        assert_eq!(advice(&second), Some(NO_INTERFACE));
        assert_eq!(failure(LOG, "net_af_packet"), None);
        assert_eq!(advice("something new"), None);
    }
}

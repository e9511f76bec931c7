//! Which keys a driver has, which it needs, and what may stand there.

use super::{At, interface_name};
use crate::config::{Driver, Port};

use Driver::{AfPacket, AfXdp, Memif, Null, Pcap, Pci, Tap, Vdev, VirtioUser};

/// Bytes of a page, of which the kernel allocates AF_PACKET's rings.
const PAGE: u64 = 4096;
/// Longest secret of a memif, in bytes, less the final zero.
const SECRET_MAX: usize = 23;

/// A key of some drivers.
struct Key {
    name: &'static str,
    /// The drivers that have it.
    of: &'static [Driver],
    /// The drivers that cannot do without, and what to add for them.
    needed: &'static [(Driver, &'static str)],
    present: fn(&Port) -> bool,
}

const KEYS: &[Key] = &[
    Key {
        name: "interface",
        of: &[Tap, AfXdp, AfPacket, Pcap],
        needed: &[
            (Tap, "add interface = \"dtap0\""),
            (
                AfXdp,
                "add interface = \"eth1\", an interface of the kernel's (see `ip link`)",
            ),
            (
                AfPacket,
                "add interface = \"eth1\", an interface of the kernel's (see `ip link`)",
            ),
        ],
        present: |port| port.interface.is_some(),
    },
    Key {
        name: "bridge",
        of: &[Tap],
        needed: &[],
        present: |port| port.bridge.is_some(),
    },
    Key {
        name: "queue",
        of: &[AfXdp],
        needed: &[],
        present: |port| port.queue.is_some(),
    },
    Key {
        name: "force_copy",
        of: &[AfXdp],
        needed: &[],
        present: |port| port.force_copy.is_some(),
    },
    Key {
        name: "busy_budget",
        of: &[AfXdp],
        needed: &[],
        present: |port| port.busy_budget.is_some(),
    },
    Key {
        name: "block_size",
        of: &[AfPacket],
        needed: &[],
        present: |port| port.block_size.is_some(),
    },
    Key {
        name: "frames",
        of: &[AfPacket],
        needed: &[],
        present: |port| port.frames.is_some(),
    },
    Key {
        name: "qdisc_bypass",
        of: &[AfPacket],
        needed: &[],
        present: |port| port.qdisc_bypass.is_some(),
    },
    Key {
        name: "rx_file",
        of: &[Pcap],
        needed: &[],
        present: |port| port.rx_file.is_some(),
    },
    Key {
        name: "tx_file",
        of: &[Pcap],
        needed: &[],
        present: |port| port.tx_file.is_some(),
    },
    Key {
        name: "infinite",
        of: &[Pcap],
        needed: &[],
        present: |port| port.infinite.is_some(),
    },
    Key {
        name: "packet_size",
        of: &[Null],
        needed: &[],
        present: |port| port.packet_size.is_some(),
    },
    Key {
        name: "role",
        of: &[Memif],
        needed: &[(
            Memif,
            "add role = \"client\", or \"server\" for the side that opens the socket",
        )],
        present: |port| port.role.is_some(),
    },
    Key {
        name: "socket",
        of: &[Memif],
        needed: &[(Memif, "add socket = \"/run/viaduct/memif.sock\"")],
        present: |port| port.socket.is_some(),
    },
    Key {
        name: "id",
        of: &[Memif],
        needed: &[],
        present: |port| port.id.is_some(),
    },
    Key {
        name: "secret",
        of: &[Memif],
        needed: &[],
        present: |port| port.secret.is_some(),
    },
    Key {
        name: "path",
        of: &[VirtioUser],
        needed: &[(
            VirtioUser,
            "add path = \"/run/vswitch/port1.sock\", the backend's vhost-user socket",
        )],
        present: |port| port.path.is_some(),
    },
    Key {
        name: "mac",
        of: &[Tap, Memif, VirtioUser],
        needed: &[],
        present: |port| port.mac.is_some(),
    },
    Key {
        name: "device",
        of: &[Pci, Vdev],
        needed: &[
            (Pci, "add device = \"0000:03:00.0\""),
            (Vdev, "add device = \"net_af_packet0,iface=eth1\""),
        ],
        present: |port| {
            port.device
                .as_ref()
                .is_some_and(|device| !device.is_empty())
        },
    },
    Key {
        name: "arguments",
        of: &[Pci],
        needed: &[],
        present: |port| port.arguments.is_some(),
    },
];

pub(super) fn check(port: &Port, earlier: &[Port], at: &mut At<'_, '_>) {
    for key in KEYS {
        presence(key, port, at);
    }
    interface(port, earlier, at);
    if let Some(bridge) = &port.bridge {
        interface_name("bridge", bridge, at);
    }
    match port.driver {
        AfPacket => rings(port, at),
        Pcap => files(port, at),
        Memif => memif(port, at),
        Null => packet_size(port, at),
        Pci => pci(port, at),
        _ => {}
    }
}

fn presence(key: &Key, port: &Port, at: &mut At<'_, '_>) {
    let (name, driver, present) = (key.name, port.driver, (key.present)(port));
    if present && !key.of.contains(&driver) {
        let others: Vec<String> = key
            .of
            .iter()
            .map(|driver| format!("\"{driver}\""))
            .collect();
        let problem = format!("a {driver} port has no {name}");
        let hint = format!("remove it, or use driver = {}", others.join(" or "));
        at.error(name, problem, "not for this driver", &hint);
    }
    let needed = key.needed.iter().find(|(needed, _)| *needed == driver);
    if let Some((_, hint)) = needed.filter(|_| !present) {
        let problem = format!("the {driver} port `{}` has no {name}", port.name);
        let expected = format!("expected the key `{name}` in this table");
        at.error(name, problem, &expected, hint);
    }
}

fn interface(port: &Port, earlier: &[Port], at: &mut At<'_, '_>) {
    let Some(interface) = &port.interface else {
        return;
    };
    interface_name("interface", interface, at);
    let taken = |other: &Port| {
        let other_queue =
            port.driver == AfXdp && other.driver == AfXdp && port.queue != other.queue;
        other.interface.as_ref() == Some(interface) && !other_queue
    };
    if earlier.iter().any(taken) {
        let problem = format!("another port already has the interface `{interface}`");
        let hint = match port.driver {
            Tap => "rename one of the two",
            _ => "use another interface: each port needs one",
        };
        at.error(
            "interface",
            problem,
            "expected an interface of its own",
            hint,
        );
    }
}

/// The kernel wants whole pages, and DPDK whole frames without gaps between blocks.
fn rings(port: &Port, at: &mut At<'_, '_>) {
    let frame = u64::from(port.ring_frame());
    let block = port.block_size.map_or(4 * frame, |size| size.bytes());
    if block == 0 || block % frame != 0 || block % PAGE != 0 {
        let problem = format!(
            "blocks of {block} bytes do not hold whole frames of {frame} bytes and pages of {PAGE}"
        );
        let hint = format!(
            "remove it, or use a multiple of \"{}\"",
            crate::config::value::Size::new(4 * frame)
        );
        at.error("block_size", problem, "expected a multiple of both", &hint);
        return;
    }
    let (frames, of_block) = (u64::from(port.ring_frames()), block / frame);
    if frames == 0 || frames % of_block != 0 {
        let problem = format!("{frames} frames do not fill whole blocks of {of_block} frames");
        let hint = format!("use a multiple of {of_block}, such as 512");
        at.error(
            "frames",
            problem,
            "expected a multiple of the block's frames",
            &hint,
        );
    }
}

fn files(port: &Port, at: &mut At<'_, '_>) {
    let (file, interface) = (
        port.rx_file.is_some() || port.tx_file.is_some(),
        port.interface.is_some(),
    );
    if file && interface {
        let problem = "a pcap port has files or an interface, not both".to_owned();
        at.error(
            "interface",
            problem,
            "expected one of the two",
            "remove this key, or rx_file and tx_file",
        );
    } else if !file && !interface {
        let problem = format!(
            "the pcap port `{}` has neither files nor an interface",
            port.name
        );
        let hint = "add rx_file = \"in.pcap\" and tx_file = \"out.pcap\", or interface = \"eth1\"";
        at.error(
            "rx_file",
            problem,
            "expected rx_file, tx_file or interface in this table",
            hint,
        );
    }
    if port.infinite == Some(true) && port.rx_file.is_none() {
        let problem = "there is no rx_file to read again and again".to_owned();
        at.error(
            "infinite",
            problem,
            "only with rx_file",
            "add rx_file, or remove this key",
        );
    }
}

fn memif(port: &Port, at: &mut At<'_, '_>) {
    if port.socket.as_ref().is_some_and(|path| !path.is_absolute()) {
        let problem = "the memif's socket is not an absolute path".to_owned();
        at.error(
            "socket",
            problem,
            "expected a path from /",
            "such as \"/run/viaduct/memif.sock\"",
        );
    }
    let legal = |secret: &String| {
        (1..=SECRET_MAX).contains(&secret.len()) && !secret.contains([',', '=', '[', ']'])
    };
    if port.secret.as_ref().is_some_and(|secret| !legal(secret)) {
        let problem = "this cannot be a memif's secret".to_owned();
        at.error(
            "secret",
            problem,
            "expected 1 to 23 bytes without , = [ and ]",
            "use another secret on both sides",
        );
    }
}

fn packet_size(port: &Port, at: &mut At<'_, '_>) {
    let largest = port.mtu.saturating_add(14);
    if port
        .packet_size
        .is_some_and(|size| !(60..=largest).contains(&size))
    {
        let problem = "a made-up packet of that size does not fit the port's MTU".to_owned();
        let expected = format!("expected 60 to {largest}");
        at.error(
            "packet_size",
            problem,
            &expected,
            "use 64, or raise the mtu",
        );
    }
}

fn pci(port: &Port, at: &mut At<'_, '_>) {
    let Some(device) = port.device.as_deref().filter(|device| !device.is_empty()) else {
        return;
    };
    if let Some((address, arguments)) = device.split_once(',') {
        let problem = format!("`{device}` is more than a PCI address");
        let hint = format!("write device = \"{address}\" and arguments = \"{arguments}\"");
        at.error("device", problem, "expected an address alone", &hint);
    } else if !is_pci_address(device) {
        let problem = format!("`{device}` is not a PCI address");
        let hint = "see `dpdk-devbind.py --status`, or `lspci -D`";
        at.error(
            "device",
            problem,
            "expected an address such as \"0000:03:00.0\"",
            hint,
        );
    }
}

/// `DDDD:BB:DD.F` or `BB:DD.F`, in hexadecimal.
fn is_pci_address(text: &str) -> bool {
    let hex = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.chars().all(|c| c.is_ascii_hexdigit())
    };
    let Some((place, function)) = text.rsplit_once('.') else {
        return false;
    };
    let parts: Vec<&str> = place.split(':').collect();
    let place = match parts[..] {
        [bus, device] => hex(bus, 2) && hex(device, 2),
        [domain, bus, device] => hex(domain, 8) && hex(bus, 2) && hex(device, 2),
        _ => false,
    };
    place && matches!(function.as_bytes(), [b'0'..=b'7'])
}

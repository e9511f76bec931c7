//! Which keys a driver has, and which it needs.

use super::{At, interface_name};
use crate::config::{Driver, Port};

use Driver::{AfPacket, AfXdp, Memif, Null, Pcap, Pci, Tap, Vdev, VirtioUser};

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

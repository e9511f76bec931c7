//! Ports as the data plane takes them: DPDK device strings and plain addresses.
//!
//! The devices' arguments are those of DPDK 22.11's drivers. What a driver cannot do with several workers, its
//! own limits say when the port is opened.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use dataplane::runtime::{Device, HostSettings, InterfaceSettings, PortSettings};
use dataplane::wire::MacAddr;
use dataplane::wire::ethernet::VlanId;

use crate::config::{Config, Driver, Interface, MemifRole, Port};

/// All ports, in the configuration's order.
pub(super) fn ports(config: &Config) -> Vec<PortSettings> {
    let workers = config.workers.cores.count();
    let ports = config.ports.iter().enumerate();
    ports
        .map(|(number, port)| settings(number, port, workers))
        .collect()
}

fn settings(number: usize, port: &Port, workers: usize) -> PortSettings {
    PortSettings {
        name: port.name.clone(),
        device: device(number, port, workers),
        mtu: port.mtu,
        promiscuous: port.promiscuous,
        interfaces: port.interfaces().map(|i| interface(&i)).collect(),
        host: port.host.as_ref().map(|host| HostSettings {
            interface: host.interface.clone(),
        }),
    }
}

fn interface(interface: &Interface<'_>) -> InterfaceSettings {
    let neighbors = interface.neighbors.iter();
    InterfaceSettings {
        vlan: interface.vlan.and_then(|vlan| VlanId::new(vlan.get())),
        ipv4: interface.address.v4(),
        ipv6: interface.address.v6(),
        gateway_v4: interface.gateway.v4(),
        gateway_v6: interface.gateway.v6(),
        neighbors: neighbors
            .map(|(address, mac)| (address.get(), MacAddr(mac.octets())))
            .collect(),
    }
}

/// A DPDK device string in the making: `net_tap0,iface=dtap0,mac=…`.
struct Words(String);

impl Words {
    fn new(driver: &str, number: usize) -> Self {
        Self(format!("{driver}{number}"))
    }

    fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.0.push_str(&format!(",{key}={value}"));
        self
    }

    fn with_path(self, key: &str, value: Option<&Path>) -> Self {
        match value {
            Some(path) => self.with(key, path.display()),
            None => self,
        }
    }

    fn with_some(self, key: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

fn device(number: usize, port: &Port, workers: usize) -> Device {
    let interface = port.interface.as_deref().unwrap_or_default();
    let words = match port.driver {
        Driver::Tap => Words::new("net_tap", number)
            .with("iface", interface)
            .with("mac", mac(port)),
        Driver::AfXdp => af_xdp(Words::new("net_af_xdp", number), port, workers),
        Driver::AfPacket => af_packet(Words::new("net_af_packet", number), port, workers),
        Driver::Pcap => Words::new("net_pcap", number)
            .with_some("iface", port.interface.as_deref())
            .with_path("rx_pcap", port.rx_file.as_deref())
            .with_path("tx_pcap", port.tx_file.as_deref())
            .with_some("infinite_rx", port.infinite.map(u8::from)),
        Driver::Ring => Words::new("net_ring", number),
        Driver::Null => Words::new("net_null", number).with_some("size", port.packet_size),
        Driver::Memif => memif(Words::new("net_memif", number), port),
        Driver::VirtioUser => virtio_user(Words::new("net_virtio_user", number), port, workers),
        Driver::Vdev => return Device::Virtual(port.device.clone().unwrap_or_default()),
        Driver::Pci => return Device::Pci(pci(port)),
    };
    Device::Virtual(words.0)
}

fn af_xdp(words: Words, port: &Port, workers: usize) -> Words {
    words
        .with("iface", port.interface.as_deref().unwrap_or_default())
        .with("start_queue", port.queue.unwrap_or(0))
        .with("queue_count", workers)
        .with_some("force_copy", port.force_copy.map(u8::from))
        .with_some("busy_budget", port.busy_budget)
}

fn af_packet(words: Words, port: &Port, workers: usize) -> Words {
    let frame = port.ring_frame();
    let block = port
        .block_size
        .map_or(4 * u64::from(frame), |size| size.bytes());
    words
        .with("iface", port.interface.as_deref().unwrap_or_default())
        .with("qpairs", workers)
        .with("blocksz", block)
        .with("framesz", frame)
        .with("framecnt", port.ring_frames())
        .with_some("qdisc_bypass", port.qdisc_bypass.map(u8::from))
}

fn memif(words: Words, port: &Port) -> Words {
    let role = match port.role {
        Some(MemifRole::Server) => "server",
        Some(MemifRole::Client) | None => "client",
    };
    words
        .with("role", role)
        .with("id", port.id.unwrap_or(0))
        .with_path("socket", port.socket.as_deref())
        .with("socket-abstract", "no")
        .with("mac", mac(port))
        .with_some("secret", port.secret.as_deref())
}

/// Several queues need the control queue, which tells the backend how many there are.
fn virtio_user(words: Words, port: &Port, workers: usize) -> Words {
    let several = (workers > 1).then_some(1);
    words
        .with_path("path", port.path.as_deref())
        .with("mac", mac(port))
        .with("queues", workers)
        .with_some("cq", several)
}

fn pci(port: &Port) -> String {
    let device = port.device.as_deref().unwrap_or_default();
    match &port.arguments {
        Some(arguments) => format!("{device},{arguments}"),
        None => device.to_owned(),
    }
}

/// The Ethernet address of a port that has none by nature: locally administered, and made of its IP address, so that it is
/// unique on the segment and the same after a restart. With another one after each start, neighbors
/// would go on sending to the old one until their caches expire.
fn mac(port: &Port) -> MacAddr {
    if let Some(mac) = port.mac {
        return MacAddr(mac.octets());
    }
    let mut interfaces = port.interfaces();
    let first = interfaces.find_map(|i| Some(i.address.as_slice().first()?.address()));
    let [a, b, c, d] = match first.unwrap_or(Ipv4Addr::UNSPECIFIED.into()) {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => {
            let [.., a, b, c, d] = address.octets();
            [a, b, c, d]
        }
    };
    MacAddr([0x02, 0x76, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(port: &str, workers: &str) -> PortSettings {
        let text = format!(
            "[workers]\ncores = {workers}\n[nat]\naddresses = [\"10.99.0.3\"]\n[sources.file]\n\
             [[ports]]\nname = \"fabric\"\naddress = [\"10.99.0.2/24\", \"fd00:99::2/64\"]\n{port}\n"
        );
        let loaded = Config::parse(&text, "viaduct.toml", &[0, 1, 2]);
        let loaded = loaded.unwrap_or_else(|error| {
            panic!(
                "{:?}",
                error
                    .findings()
                    .iter()
                    .map(|f| f.one_line())
                    .collect::<Vec<_>>()
            )
        });
        ports(&loaded.config).remove(0)
    }

    fn device_of(port: &str, workers: &str) -> Device {
        parse(port, workers).device
    }

    #[test]
    fn every_driver_has_its_device_string() {
        for (keys, device) in [
            (
                "driver = \"tap\"\ninterface = \"dtap0\"",
                "net_tap0,iface=dtap0,mac=02:76:0a:63:00:02",
            ),
            (
                "driver = \"af_xdp\"\ninterface = \"eth1\"\nqueue = 4\nforce_copy = true\nbusy_budget = 0",
                "net_af_xdp0,iface=eth1,start_queue=4,queue_count=2,force_copy=1,busy_budget=0",
            ),
            (
                "driver = \"af_packet\"\ninterface = \"eth1\"\nmtu = 9000\nframes = 256\nqdisc_bypass = false",
                "net_af_packet0,iface=eth1,qpairs=2,blocksz=36864,framesz=9216,framecnt=256,qdisc_bypass=0",
            ),
            ("driver = \"ring\"", "net_ring0"),
            ("driver = \"null\"\npacket_size = 128", "net_null0,size=128"),
            (
                "driver = \"memif\"\nrole = \"server\"\nsocket = \"/run/m.sock\"\nsecret = \"x\"\nmac = \"02:00:00:00:00:07\"",
                "net_memif0,role=server,id=0,socket=/run/m.sock,socket-abstract=no,mac=02:00:00:00:00:07,secret=x",
            ),
            (
                "driver = \"virtio_user\"\npath = \"/run/v.sock\"",
                "net_virtio_user0,path=/run/v.sock,mac=02:76:0a:63:00:02,queues=2,cq=1",
            ),
            ("driver = \"vdev\"\ndevice = \"net_x0,y=1\"", "net_x0,y=1"),
        ] {
            assert_eq!(
                device_of(keys, "[1, 2]"),
                Device::Virtual(device.to_owned())
            );
        }
        assert_eq!(
            device_of(
                "driver = \"pci\"\ndevice = \"0000:03:00.0\"\narguments = \"a=1\"",
                "[1, 2]"
            ),
            Device::Pci("0000:03:00.0,a=1".to_owned())
        );
        let files = "driver = \"pcap\"\nrx_file = \"/in\"\ntx_file = \"/out\"\ninfinite = true";
        assert_eq!(
            device_of(files, "[1]"),
            Device::Virtual("net_pcap0,rx_pcap=/in,tx_pcap=/out,infinite_rx=1".to_owned())
        );
    }

    #[test]
    fn interfaces_have_both_families_tags_and_neighbors() {
        let port = parse(
            "driver = \"ring\"\ngateway = [\"10.99.0.1\", \"fe80::1\"]\n\
             neighbors = { \"10.99.0.7\" = \"02:00:00:00:00:07\" }\nhost = { interface = \"vdhost0\" }\n\
             [[ports.vlans]]\nid = 7\naddress = \"10.98.0.2/24\"",
            "[1]",
        );
        let [own, tagged] = &port.interfaces[..] else {
            panic!("{port:?}");
        };
        assert_eq!(
            (own.vlan, own.ipv4),
            (None, Some((Ipv4Addr::new(10, 99, 0, 2), 24)))
        );
        assert_eq!(own.gateway_v4, Some(Ipv4Addr::new(10, 99, 0, 1)));
        assert_eq!(own.ipv6, Some(("fd00:99::2".parse().expect("valid"), 64)));
        assert_eq!(own.gateway_v6, Some("fe80::1".parse().expect("valid")));
        let neighbor = (IpAddr::from([10, 99, 0, 7]), MacAddr([2, 0, 0, 0, 0, 7]));
        assert_eq!(own.neighbors, [neighbor]);
        assert_eq!(tagged.vlan, VlanId::new(7));
        assert_eq!((tagged.ipv6, tagged.neighbors.len()), (None, 0));
        assert_eq!(
            port.host.map(|host| host.interface).as_deref(),
            Some("vdhost0")
        );
    }
}

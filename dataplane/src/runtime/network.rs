//! The settings of all ports as one [`Network`], and whether that network can be.

use std::net::IpAddr;

use super::OwnAddress;
use super::settings::{InterfaceSettings, PortSettings, Settings};
use crate::family::Family;
use crate::flow::hash::Seed;
use crate::neighbor::{Neighbors, StaticError, own_addresses};
use crate::network::{Attachment, Interface, InterfaceIndex, Network, Subnet, Tunnels};
use crate::wire::MacAddr;
use crate::wire::ethernet::VlanId;

/// Where Viaduct stands, given the ports' Ethernet addresses. The exception ports come after all
/// others, in the order of the ports that have one.
pub(super) fn network(settings: &Settings, macs: &[MacAddr]) -> Network {
    let mut network = Network {
        snat: settings.snat.clone(),
        snat_ports: settings.snat_ports,
        pools: settings.pools.clone(),
        refusal: settings.refusal,
        tunnels: Tunnels {
            gue_port: settings.gue_port,
            ..Tunnels::default()
        },
        workers: settings.worker_cores.len(),
        seed: Seed::random(),
        ..Network::default()
    };
    let mut host_ports = settings.ports.len()..;
    for (number, (port, mac)) in settings.ports.iter().zip(macs).enumerate() {
        let host_port = port.host.as_ref().and_then(|_| host_ports.next());
        add_port(&mut network, number, port, *mac, host_port);
    }
    network
}

/// Viaduct's own addresses, by the names of their ports.
pub(super) fn own(settings: &Settings, network: &Network) -> Vec<OwnAddress> {
    let named = |(index, address): (InterfaceIndex, IpAddr)| {
        let interface = network.interface(index);
        OwnAddress {
            port: settings.ports[interface.port].name.clone(),
            vlan: interface.vlan.map(VlanId::get),
            address,
            conflicts: 0,
            is_duplicate: false,
        }
    };
    own_addresses(network).into_iter().map(named).collect()
}

fn add_port(
    network: &mut Network,
    number: usize,
    settings: &PortSettings,
    mac: MacAddr,
    host_port: Option<usize>,
) {
    let shared = settings.main_interface();
    for (place, interface) in settings.interfaces.iter().enumerate() {
        let index = InterfaceIndex(network.interfaces.len() as u8);
        network.interfaces.push(Interface {
            vlan: interface.vlan,
            mtu: settings.mtu,
            ipv4: attachment(interface.ipv4, interface.gateway_v4),
            ipv6: attachment(interface.ipv6, interface.gateway_v6),
            host_port: host_port.filter(|_| place == shared),
            ..Interface::new(number, mac)
        });
        network
            .static_neighbors
            .extend(static_neighbors(index, interface));
    }
}

fn attachment<A: Family>(own: Option<(A, u8)>, gateway: Option<A>) -> Option<Attachment<A>> {
    own.map(|(address, prefix_len)| Attachment {
        address,
        subnet: Subnet::of(address, prefix_len),
        gateway,
    })
}

fn static_neighbors(
    index: InterfaceIndex,
    interface: &InterfaceSettings,
) -> impl Iterator<Item = (InterfaceIndex, IpAddr, MacAddr)> {
    let neighbors = interface.neighbors.iter();
    neighbors.map(move |&(address, mac)| (index, address, mac))
}

/// Finds the static neighbors that no worker could have.
pub(super) fn check_static_neighbors(network: &Network) -> Result<(), StaticError> {
    let mut neighbors: Neighbors<()> = Neighbors::new(network);
    let all = network.static_neighbors.iter();
    all.copied()
        .try_for_each(|(interface, address, mac)| neighbors.add_static(interface, address, mac))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::super::settings::{HostSettings, tests};
    use super::*;
    use crate::network::SnatAddresses;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
    const OWN6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x99, 0, 0, 0, 0, 0, 2);
    const FRIEND: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 98, 0, 7));
    const MACS: [MacAddr; 3] = [MacAddr([2; 6]), MacAddr([4; 6]), MacAddr([6; 6])];

    fn tagged() -> InterfaceSettings {
        InterfaceSettings {
            vlan: VlanId::new(7),
            ipv4: Some((Ipv4Addr::new(10, 98, 0, 2), 16)),
            gateway_v4: Some(Ipv4Addr::new(10, 98, 0, 1)),
            neighbors: vec![(FRIEND, MacAddr([8; 6]))],
            ..InterfaceSettings::default()
        }
    }

    fn plain() -> InterfaceSettings {
        InterfaceSettings {
            ipv4: Some((OWN, 24)),
            ipv6: Some((OWN6, 64)),
            gateway_v6: Some(Ipv6Addr::LOCALHOST),
            ..InterfaceSettings::default()
        }
    }

    /// Three ports; the first and the last share an interface with the host.
    fn settings() -> Settings {
        let host = |name: &str| {
            Some(HostSettings {
                interface: name.into(),
            })
        };
        let mut ports = vec![tests::port("net_null0", 1500); 3];
        ports[0].interfaces = vec![tagged(), plain()];
        ports[0].host = host("vdhost0");
        ports[2].host = host("vdhost2");
        ports[2].mtu = 9000;
        Settings {
            snat: SnatAddresses {
                ipv4: vec![Ipv4Addr::new(10, 99, 0, 3)],
                ipv6: Vec::new(),
            },
            gue_port: 7000,
            ..tests::settings(ports)
        }
    }

    #[test]
    fn every_interface_of_every_port_is_there_with_all_it_has() {
        let network = network(&settings(), &MACS);
        let [tagged, plain, second, third] = &network.interfaces[..] else {
            panic!("{network:?}");
        };
        assert_eq!((tagged.port, tagged.vlan), (0, VlanId::new(7)));
        let at = tagged.ipv4.expect("it has one");
        assert_eq!(at.gateway, Some(Ipv4Addr::new(10, 98, 0, 1)));
        assert!(at.subnet.contains(Ipv4Addr::new(10, 98, 255, 1)) && tagged.ipv6.is_none());
        assert_eq!((plain.port, plain.vlan, plain.mac), (0, None, MACS[0]));
        let (at, at6) = (plain.ipv4.expect("one"), plain.ipv6.expect("one"));
        assert_eq!((at.address, at.gateway), (OWN, None));
        assert_eq!(
            (at6.address, at6.gateway),
            (OWN6, Some(Ipv6Addr::LOCALHOST))
        );
        assert_eq!((second.port, second.mtu, second.mac), (1, 1500, MACS[1]));
        assert_eq!((third.port, third.mtu, third.mac), (2, 9000, MACS[2]));
        assert_eq!(network.snat, settings().snat);
        assert_eq!((network.tunnels.gue_port, network.workers), (7000, 2));
        let neighbor = (InterfaceIndex(0), FRIEND, MacAddr([8; 6]));
        assert_eq!(network.static_neighbors, [neighbor]);
    }

    #[test]
    fn exception_ports_follow_all_others_and_belong_to_untagged_interfaces() {
        let network = network(&settings(), &MACS);
        let of = network.interfaces.iter().map(|i| i.host_port);
        assert_eq!(of.collect::<Vec<_>>(), [None, Some(3), None, Some(4)]);
    }

    #[test]
    fn a_neighbor_with_an_address_of_ours_cannot_be() {
        let good = network(&settings(), &MACS);
        assert_eq!(check_static_neighbors(&good), Ok(()));
        let mut bad = settings();
        bad.ports[0].interfaces[0].neighbors[0].1 = MACS[1];
        let error = check_static_neighbors(&network(&bad, &MACS)).expect_err("it is ours");
        let (address, mac) = (FRIEND, MACS[1]);
        assert_eq!(error, StaticError::NotAStation { address, mac });
    }
}

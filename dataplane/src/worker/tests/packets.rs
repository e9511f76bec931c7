//! Who there is in the tests' network, and the packets that they send, as `etherparse` writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{
    Ethernet2Header, IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder,
    PacketBuilderStep, TcpHeader,
};

use crate::wire::MacAddr;
use crate::wire::arp::ArpPacket;
use crate::wire::ethernet::{self, ETHERTYPE_ARP, VlanId};

pub(super) const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
pub(super) const CLIENT_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
pub(super) const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 9]);
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 101);
pub(super) const OWN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
pub(super) const SNAT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 3);
pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
pub(super) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
pub(super) const SNAT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 3);
pub(super) const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 101);
const VIP_V6: Ipv6Addr = Ipv6Addr::new(0xfd01, 0xc, 0, 0, 0, 0, 0, 1);

/// A station, and an address and port behind it.
pub(super) type End = (MacAddr, SocketAddr);

/// The addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Net {
    V4,
    V6,
}

impl Net {
    pub(super) const ALL: [Self; 2] = [Self::V4, Self::V6];

    fn either(self, v4: impl Into<IpAddr>, v6: impl Into<IpAddr>) -> IpAddr {
        match self {
            Self::V4 => v4.into(),
            Self::V6 => v6.into(),
        }
    }

    pub(super) fn own(self) -> IpAddr {
        self.either(OWN, OWN_V6)
    }

    pub(super) fn snat(self) -> IpAddr {
        self.either(SNAT, SNAT_V6)
    }

    pub(super) fn vip_address(self) -> IpAddr {
        self.either(VIP, VIP_V6)
    }

    pub(super) fn vip(self) -> End {
        (OURS, (self.vip_address(), 80).into())
    }

    /// A client behind the router.
    pub(super) fn client(self, port: u16) -> End {
        self.far_client(101, port)
    }

    pub(super) fn far_client(self, number: u8, port: u16) -> End {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, u16::from(number));
        let address = self.either([192, 0, 2, number], v6);
        (ROUTER_MAC, (address, port).into())
    }

    /// A client on the segment.
    pub(super) fn near_client(self, port: u16) -> End {
        (CLIENT_MAC, (self.either(CLIENT, CLIENT_V6), port).into())
    }

    pub(super) fn backend(self, number: u8) -> SocketAddr {
        let number = 10 + number;
        let v6 = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number));
        (self.either([10, 99, 0, number], v6), 8080).into()
    }

    /// A router between the client and Viaduct.
    pub(super) fn distant_router(self) -> IpAddr {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
        self.either([203, 0, 113, 1], v6)
    }

    /// Length of an IP header without options.
    pub(super) fn header_len(self) -> usize {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }
}

pub(super) fn backend_address(number: u8) -> SocketAddr {
    Net::V4.backend(number)
}

pub(super) fn backend_mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 2, number])
}

/// The station that has an address.
pub(super) fn station(address: IpAddr) -> MacAddr {
    let near = Net::ALL.map(|net| net.near_client(0).1.ip());
    if near.contains(&address) {
        return CLIENT_MAC;
    }
    match address {
        IpAddr::V4(ROUTER) | IpAddr::V6(ROUTER_V6) => ROUTER_MAC,
        IpAddr::V4(other) => backend_mac(other.octets()[3].wrapping_sub(10)),
        IpAddr::V6(other) => backend_mac(other.octets()[15].wrapping_sub(10)),
    }
}

pub(super) fn mac_of(address: Ipv4Addr) -> MacAddr {
    station(address.into())
}

pub(super) fn client(port: u16) -> End {
    Net::V4.near_client(port)
}

pub(super) fn vip(port: u16) -> End {
    (OURS, (VIP, port).into())
}

pub(super) fn ipv4(address: SocketAddr) -> Ipv4Addr {
    match address.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => panic!("{ip} is not IPv4"),
    }
}

pub(super) fn frame_arp(
    vlan: Option<VlanId>,
    from: MacAddr,
    to: MacAddr,
    packet: ArpPacket,
) -> Vec<u8> {
    let mut bytes = vec![0; ethernet::header_len(vlan)];
    assert!(ethernet::write(&mut bytes, to, from, vlan, ETHERTYPE_ARP));
    bytes.extend(packet.to_bytes());
    bytes
}

/// What an IP header says besides its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ip {
    pub(super) hops: u8,
    pub(super) traffic_class: u8,
    /// IPv4 without DF.
    pub(super) may_fragment: bool,
}

pub(super) const PLAIN: Ip = Ip {
    hops: 64,
    traffic_class: 0,
    may_fragment: false,
};

/// The beginning of a packet; both addresses must be of one family.
pub(super) fn between(from: End, to: End, ip: Ip) -> PacketBuilderStep<IpHeaders> {
    PacketBuilder::ethernet2(from.0.0, to.0.0).ip(ip_headers(from.1.ip(), to.1.ip(), ip))
}

pub(super) fn ip_headers(from: IpAddr, to: IpAddr, ip: Ip) -> IpHeaders {
    match (from, to) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => IpHeaders::Ipv4(
            Ipv4Header {
                dscp: (ip.traffic_class >> 2).try_into().expect("6 bits"),
                ecn: (ip.traffic_class & 3).try_into().expect("2 bits"),
                identification: if ip.may_fragment { 0x4242 } else { 0 },
                dont_fragment: !ip.may_fragment,
                more_fragments: false,
                fragment_offset: IpFragOffset::ZERO,
                time_to_live: ip.hops,
                protocol: IpNumber::UDP,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv4Header::default()
            },
            etherparse::Ipv4Extensions::default(),
        ),
        (IpAddr::V6(source), IpAddr::V6(destination)) => IpHeaders::Ipv6(
            Ipv6Header {
                traffic_class: ip.traffic_class,
                hop_limit: ip.hops,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv6Header::default()
            },
            etherparse::Ipv6Extensions::default(),
        ),
        mixed => panic!("addresses of two families: {mixed:?}"),
    }
}

pub(super) fn udp(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    udp_with(PLAIN, from, to, payload)
}

pub(super) fn udp_with(ip: Ip, from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let builder = between(from, to, ip).udp(from.1.port(), to.1.port());
    let mut bytes = vec![];
    builder
        .write(&mut bytes, payload)
        .expect("a vector takes all");
    bytes
}

/// A TCP packet with these flags: any of `S`, `A`, `F`, `R`. Its sequence number is 7, its
/// acknowledgement number, if it has one, 9.
pub(super) fn tcp(from: End, to: End, flags: &str, payload: &[u8]) -> Vec<u8> {
    tcp_with(PLAIN, from, to, flags, payload)
}

pub(super) fn tcp_with(ip: Ip, from: End, to: End, flags: &str, payload: &[u8]) -> Vec<u8> {
    let header = TcpHeader::new(from.1.port(), to.1.port(), 7, 1000);
    tcp_from(between(from, to, ip), header, flags, payload)
}

/// The same with a header of one's own, whose flags are added to.
pub(super) fn tcp_from(
    builder: PacketBuilderStep<IpHeaders>,
    mut header: TcpHeader,
    flags: &str,
    payload: &[u8],
) -> Vec<u8> {
    for flag in flags.chars() {
        match flag {
            'S' => header.syn = true,
            'A' => (header.ack, header.acknowledgment_number) = (true, 9),
            'F' => header.fin = true,
            'R' => header.rst = true,
            other => panic!("no flag {other}"),
        }
    }
    let mut bytes = vec![];
    builder
        .tcp_header(header)
        .write(&mut bytes, payload)
        .expect("a vector takes all");
    bytes
}

/// An ICMP error of either family from `source` that quotes an IP packet.
pub(super) fn icmp_error(
    (from, source): (MacAddr, IpAddr),
    to: IpAddr,
    [kind, code]: [u8; 2],
    rest: [u8; 4],
    quote: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(from.0, OURS.0).ip(ip_headers(source, to, PLAIN));
    let mut bytes = vec![];
    let written = match source {
        IpAddr::V4(_) => builder
            .icmpv4_raw(kind, code, rest)
            .write(&mut bytes, quote),
        IpAddr::V6(_) => builder
            .icmpv6_raw(kind, code, rest)
            .write(&mut bytes, quote),
    };
    written.expect("a vector takes all");
    bytes
}

/// The IP packet in an untagged frame.
pub(super) fn packet_in(frame: &[u8]) -> &[u8] {
    &frame[Ethernet2Header::LEN..]
}

//! Addresses that Neighbor Discovery derives from others.

use std::net::Ipv6Addr;

use crate::wire::MacAddr;

/// The multicast group in which the owner of `address` listens for solicitations: `ff02::1:ff00:0`
/// with the address's last 24 bits (RFC 4291, section 2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0xff, low)
}

/// The Ethernet group that packets to the multicast address `group` are sent to: 33:33 with the
/// address's last 32 bits (RFC 2464, section 7).
#[must_use]
pub const fn multicast_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

/// The link-local address of a station: `fe80::/64` with the modified EUI-64 of its MAC address
/// (RFC 4291, section 2.5.6 and appendix A; RFC 2464, section 5).
#[must_use]
pub fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    // The universal/local bit is inverted.
    let a = a ^ 0x02;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a, b, c, 0xff, 0xfe, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    /// The example of RFC 4291, section 2.7.1.
    #[test]
    fn rfc_4291_solicited_node() {
        let node = solicited_node(address("4037::01:800:200e:8c6c"));
        assert_eq!(node, address("ff02::1:ff0e:8c6c"));
    }

    /// The examples of RFC 2464, sections 4 and 7.
    #[test]
    fn rfc_2464_addresses() {
        let mac = MacAddr([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
        assert_eq!(link_local(mac), address("fe80::3656:78ff:fe9a:bcde"));
        let group = multicast_mac(address("ff02::1:ff0e:8c6c"));
        assert_eq!(group, MacAddr([0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c]));
    }
}

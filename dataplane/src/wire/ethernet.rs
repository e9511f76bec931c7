//! Ethernet II headers, with at most one IEEE 802.1Q tag.
//!
//! ```text
//!  0            6            12     14     16     18
//!  | dst        | src        | type | payload            untagged
//!  | dst        | src        | 8100 | tci  | type | …    tagged
//! ```

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::MacAddr;

/// EtherType of IPv4 (RFC 894).
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP (RFC 826).
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// EtherType of IPv6 (RFC 2464).
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// EtherType of an 802.1Q tag.
pub const ETHERTYPE_VLAN: u16 = 0x8100;

/// Length of an untagged header, in bytes.
pub const HEADER_LEN: usize = 14;
/// Length of an 802.1Q tag, in bytes.
pub const TAG_LEN: usize = 4;

/// An Ethernet II header without its tag.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct EthernetHeader {
    /// Destination station.
    pub destination: MacAddr,
    /// Source station.
    pub source: MacAddr,
    /// EtherType of what follows.
    pub ethertype: U16,
}

/// What follows the first EtherType of a tagged frame.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct VlanTag {
    /// Priority (3 bits), drop eligible (1), VLAN id (12).
    pub control: U16,
    /// EtherType of what follows.
    pub ethertype: U16,
}

/// An 802.1Q VLAN id: 1 to 4094. Priority-tagged frames (id 0) count as untagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// The id, if it is one that a port can have.
    #[must_use]
    pub const fn new(id: u16) -> Option<Self> {
        if id >= 1 && id <= 4094 {
            Some(Self(id))
        } else {
            None
        }
    }

    /// The id as a number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl VlanTag {
    /// The VLAN id in the tag; `None` for a priority tag.
    #[must_use]
    pub fn vlan(&self) -> Option<VlanId> {
        VlanId::new(self.id())
    }

    /// True for the id that no frame may carry (IEEE 802.1Q, table 9-2).
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.id() == 0x0fff
    }

    fn id(&self) -> u16 {
        self.control.get() & 0x0fff
    }
}

/// Length of the header that a port with this VLAN sends, in bytes.
#[must_use]
pub const fn header_len(vlan: Option<VlanId>) -> usize {
    match vlan {
        None => HEADER_LEN,
        Some(_) => HEADER_LEN + TAG_LEN,
    }
}

/// Writes an Ethernet header, tagged if `vlan` is given, to the front of `bytes`.
///
/// False, and nothing written, if `bytes` is shorter than [`header_len`].
#[must_use]
pub fn write(
    bytes: &mut [u8],
    destination: MacAddr,
    source: MacAddr,
    vlan: Option<VlanId>,
    ethertype: u16,
) -> bool {
    let outer = if vlan.is_some() {
        ETHERTYPE_VLAN
    } else {
        ethertype
    };
    let header = EthernetHeader {
        destination,
        source,
        ethertype: outer.into(),
    };
    if bytes.len() < header_len(vlan) {
        return false;
    }
    let (front, rest) = bytes.split_at_mut(HEADER_LEN);
    front.copy_from_slice(header.as_bytes());
    if let Some(vlan) = vlan {
        let tag = VlanTag {
            control: vlan.get().into(),
            ethertype: ethertype.into(),
        };
        rest[..TAG_LEN].copy_from_slice(tag.as_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_tagged_and_untagged_headers() {
        let (dst, src) = (MacAddr([1, 2, 3, 4, 5, 6]), MacAddr([7, 8, 9, 10, 11, 12]));
        let mut bytes = [0; 18];
        assert!(write(&mut bytes, dst, src, None, ETHERTYPE_IPV4));
        assert_eq!(bytes[..14], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0]);
        assert!(write(
            &mut bytes,
            dst,
            src,
            VlanId::new(0x123),
            ETHERTYPE_ARP
        ));
        assert_eq!(bytes[12..], [0x81, 0, 1, 0x23, 8, 6]);
        assert!(!write(
            &mut bytes[..17],
            dst,
            src,
            VlanId::new(1),
            ETHERTYPE_ARP
        ));
    }

    #[test]
    fn vlan_ids_are_bounded() {
        assert!(VlanId::new(0).is_none() && VlanId::new(4095).is_none());
        assert_eq!(VlanId::new(4094).map(VlanId::get), Some(4094));
    }
}

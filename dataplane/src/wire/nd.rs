//! Neighbor Discovery for IPv6 over Ethernet (RFC 4861, RFC 2464): neighbor solicitations and
//! advertisements, read with all the checks that keep strangers out, and written as whole frames.
//!
//! ```text
//! │ Ethernet │ IPv6, hop limit 255 │ ICMPv6, 8 │ target, 16 │ options: link-layer address, 8 │
//! ```
//! Which neighbors there are, and what they are told, is decided elsewhere.

use std::net::Ipv6Addr;

use thiserror::Error;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::MacAddr;
use super::icmp;
use super::icmpv6::{NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION};
use super::ip::AddressPair;
use super::ipv6::{Ipv6Header, ON_LINK_HOP_LIMIT};

mod addresses;
mod write;

pub use addresses::{link_local, multicast_mac, solicited_node};
pub use write::{
    Link, MAX_FRAME_LEN, write_announcement, write_probe, write_reply, write_solicitation,
};

/// Length of a message without options, in bytes.
pub const MESSAGE_LEN: usize = 24;
/// Length of a link-layer address option for Ethernet, in bytes.
pub const OPTION_LEN: usize = 8;

const OPTION_SOURCE_ADDRESS: u8 = 1;
const OPTION_TARGET_ADDRESS: u8 = 2;

const FLAG_ROUTER: u8 = 0x80;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;

/// Both messages (RFC 4861, sections 4.3 and 4.4).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct NdHeader {
    kind: u8,
    code: u8,
    checksum: U16,
    /// Of an advertisement; reserved in a solicitation.
    flags: u8,
    reserved: [u8; 3],
    target: [u8; 16],
}

/// A link-layer address option (RFC 4861, section 4.6.1).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct LinkLayerOption {
    kind: u8,
    /// In units of 8 bytes: 1 for Ethernet.
    len: u8,
    address: MacAddr,
}

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdKind {
    /// Who has the target address?
    Solicitation,
    /// The sender has the target address.
    Advertisement,
}

impl NdKind {
    const fn number(self) -> u8 {
        match self {
            Self::Solicitation => NEIGHBOR_SOLICITATION,
            Self::Advertisement => NEIGHBOR_ADVERTISEMENT,
        }
    }

    /// The option that this message gives its link-layer address in.
    const fn option(self) -> u8 {
        match self {
            Self::Solicitation => OPTION_SOURCE_ADDRESS,
            Self::Advertisement => OPTION_TARGET_ADDRESS,
        }
    }
}

/// A neighbor solicitation or advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NdMessage {
    /// Which message.
    pub kind: NdKind,
    /// The address asked about, or advertised.
    pub target: Ipv6Addr,
    /// The station of the asker, or of the target, if the message says it.
    pub link_layer: Option<MacAddr>,
    /// Advertisement: it answers a solicitation, and so proves that both directions work.
    pub solicited: bool,
    /// Advertisement: it replaces what was known.
    pub r#override: bool,
    /// Advertisement: the sender is a router.
    pub router: bool,
}

/// Why a message is refused (RFC 4861, sections 7.1.1 and 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NdError {
    /// It is shorter than its kind, or ends within an option.
    #[error("the message is too short")]
    Truncated,
    /// It is neither a solicitation nor an advertisement, or has a code.
    #[error("neither a neighbor solicitation nor an advertisement")]
    Kind,
    /// It may have been forwarded, so that its sender may be anywhere.
    #[error("the hop limit is not 255")]
    HopLimit,
    /// It is damaged.
    #[error("the checksum is wrong")]
    Checksum,
    /// Its target is multicast.
    #[error("the target is a multicast address")]
    Target,
    /// It asks from the unspecified address, but not as duplicate address detection does; or from
    /// a multicast address.
    #[error("the source address can't send this message")]
    Source,
    /// An advertisement to a group that claims to answer a solicitation.
    #[error("a solicited advertisement to a multicast address")]
    Solicited,
    /// An option has length 0, or a link-layer address that is not that of an Ethernet station.
    #[error("an option is malformed")]
    Option,
}

impl NdMessage {
    /// Reads a message and checks all that RFC 4861 asks for. `message` is the whole payload of the
    /// packet with this `header`, from the ICMPv6 header on.
    ///
    /// # Errors
    /// Why the message must be ignored.
    pub fn read(header: &Ipv6Header, message: &[u8]) -> Result<Self, NdError> {
        let (nd, options) = NdHeader::ref_from_prefix(message).map_err(|_| NdError::Truncated)?;
        let kind = match nd.kind {
            NEIGHBOR_SOLICITATION => NdKind::Solicitation,
            NEIGHBOR_ADVERTISEMENT => NdKind::Advertisement,
            _ => return Err(NdError::Kind),
        };
        check(header, nd, message)?;
        let is_advertisement = kind == NdKind::Advertisement;
        let has = |flag| is_advertisement && nd.flags & flag != 0;
        let read = Self {
            kind,
            target: nd.target.into(),
            link_layer: link_layer(options, kind.option())?,
            solicited: has(FLAG_SOLICITED),
            r#override: has(FLAG_OVERRIDE),
            router: has(FLAG_ROUTER),
        };
        read.check_addresses(header.source(), header.destination())?;
        Ok(read)
    }

    fn check_addresses(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Result<(), NdError> {
        if self.target.is_multicast() {
            return Err(NdError::Target);
        }
        if source.is_multicast() {
            return Err(NdError::Source);
        }
        match self.kind {
            NdKind::Solicitation if source.is_unspecified() => {
                let detects_duplicates =
                    is_solicited_node(destination) && self.link_layer.is_none();
                detects_duplicates.then_some(()).ok_or(NdError::Source)
            }
            NdKind::Solicitation => Ok(()),
            NdKind::Advertisement if source.is_unspecified() => Err(NdError::Source),
            NdKind::Advertisement if self.solicited && destination.is_multicast() => {
                Err(NdError::Solicited)
            }
            NdKind::Advertisement => Ok(()),
        }
    }
}

/// What both kinds ask of the headers.
fn check(header: &Ipv6Header, nd: &NdHeader, message: &[u8]) -> Result<(), NdError> {
    if header.hop_limit != ON_LINK_HOP_LIMIT {
        return Err(NdError::HopLimit);
    }
    if nd.code != 0 {
        return Err(NdError::Kind);
    }
    let addresses = AddressPair::V6 {
        source: header.source(),
        destination: header.destination(),
    };
    match icmp::checksum(addresses, message) {
        0 => Ok(()),
        _ => Err(NdError::Checksum),
    }
}

/// True for any solicited-node multicast address (RFC 4291, section 2.7.1).
fn is_solicited_node(address: Ipv6Addr) -> bool {
    solicited_node(address) == address
}

/// The link-layer address in the option of this kind, the first one if there are several. Options
/// of other kinds only have their lengths checked.
fn link_layer(mut options: &[u8], kind: u8) -> Result<Option<MacAddr>, NdError> {
    let mut found = None;
    while let [option, units, ..] = *options {
        let len = usize::from(units) * 8;
        if len == 0 {
            return Err(NdError::Option);
        }
        if option == kind && found.is_none() {
            found = Some(station(options, len)?);
        }
        options = options.get(len..).ok_or(NdError::Truncated)?;
    }
    if options.is_empty() {
        Ok(found)
    } else {
        Err(NdError::Truncated)
    }
}

fn station(option: &[u8], len: usize) -> Result<MacAddr, NdError> {
    let (option, _) = LinkLayerOption::ref_from_prefix(option).map_err(|_| NdError::Truncated)?;
    let address = option.address;
    if len != OPTION_LEN || address.is_group() || address == MacAddr::ZERO {
        return Err(NdError::Option);
    }
    Ok(address)
}

#[cfg(test)]
mod tests;

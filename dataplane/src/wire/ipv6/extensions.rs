//! The extension headers between an IPv6 header and the transport header (RFC 8200, section 4).
//!
//! ```text
//! IPv6 │ hop-by-hop │ destination │ routing │ fragment │ destination │ TCP
//!      └ only here    ×            type 0 ×   once       ×
//! ```
//! The walk only finds its way: options pass on unread, to be judged by the host that the packet
//! ends at. Its length is bounded, for each header costs time that the sender does not pay
//! (RFC 8504, section 5.3; RFC 9098).

use thiserror::Error;
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Extension headers that a packet may have at most.
pub const MAX_EXTENSIONS: usize = 8;
/// Length of all extension headers of a packet together, at most, in bytes. With it the transport
/// header of a tagged Ethernet frame starts below offset 256.
pub const MAX_CHAIN_LEN: usize = 192;
/// The protocol number that says that nothing follows (RFC 8200, section 4.7).
pub const NO_NEXT_HEADER: u8 = 59;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

const MORE: u16 = 1;
const OFFSET_MASK: u16 = 0xfff8;

/// What all extension headers begin with, and the unit of their length.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ExtensionHeader {
    next_header: u8,
    /// In units of 8 bytes, without the first 8. Reserved in a fragment header.
    len: u8,
    /// In a routing header: its type, and how many segments are left.
    routing_type: u8,
    segments_left: u8,
    rest: [u8; 4],
}

/// A fragment header (RFC 8200, section 4.5).
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct FragmentHeader {
    next_header: u8,
    reserved: u8,
    offset_flags: U16,
    identification: U32,
}

/// Which part of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment6 {
    /// Identifies the datagram, with its addresses.
    pub id: u32,
    /// Start of this part in the datagram's fragmentable part, in bytes; a multiple of 8.
    pub offset: u16,
    /// True if more parts follow.
    pub more: bool,
}

impl Fragment6 {
    /// True for a whole datagram in one fragment, to be treated as if it had no fragment header
    /// (RFC 6946).
    #[must_use]
    pub const fn is_atomic(self) -> bool {
        self.offset == 0 && !self.more
    }

    /// True for the fragment with the transport header (RFC 7112).
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.offset == 0
    }

    /// False if `len` bytes behind the fragment header cannot be this part of a datagram: one that
    /// is not the last and ends off an 8-byte boundary, or ends beyond 65535 (RFC 8200,
    /// section 4.5), or is empty.
    const fn admits(self, len: usize) -> bool {
        len > 0 && (!self.more || len.is_multiple_of(8)) && self.offset as usize + len <= 0xffff
    }
}

/// The end of a chain of extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Protocol of what follows: the transport protocol, [`NO_NEXT_HEADER`], or one that is not
    /// walked into (ESP, AH, unknown). In fragments other than the first it may also be the number
    /// of an extension header, and what follows is the middle of something.
    pub protocol: u8,
    /// Where that starts, in bytes from the end of the fixed header; not beyond the bytes.
    pub offset: usize,
    /// The fragment header, if there is one.
    pub fragment: Option<Fragment6>,
}

/// Why a chain of extension headers is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExtensionError {
    /// It goes on beyond the packet, or in a fragment beyond the first (RFC 7112).
    #[error("the extension headers end beyond the packet")]
    Truncated,
    /// It has more headers or bytes than [`MAX_EXTENSIONS`] and [`MAX_CHAIN_LEN`].
    #[error("too many extension headers")]
    TooLong,
    /// Hop-by-hop options not in the first place (RFC 8200, section 4.1), or a second fragment
    /// header, which only serves to hide what follows.
    #[error("an extension header in a place where it may not be")]
    Order,
    /// A routing header of type 0 (RFC 5095), or with segments left, which only the routers on its
    /// list may follow (RFC 8200, section 4.4).
    #[error("a routing header that is not at its end")]
    Routing,
    /// A fragment with a length that it cannot have.
    #[error("a fragment of impossible length")]
    Fragment,
}

/// Walks the extension headers in `bytes`, which is the whole payload of the fixed header,
/// without padding of the frame.
///
/// AH (RFC 4302) ends the walk like a transport protocol: what it protects can't be rewritten.
///
/// # Errors
/// Why the packet is to be dropped.
pub fn walk_extensions(bytes: &[u8], first_next_header: u8) -> Result<Chain, ExtensionError> {
    Walk::new(bytes, first_next_header, Whole::Yes).run()
}

/// [`walk_extensions`] for a packet that was cut short, where a fragment's length is not known.
pub(in crate::wire) fn walk_cut(bytes: &[u8], first: u8) -> Result<Chain, ExtensionError> {
    Walk::new(bytes, first, Whole::No).run()
}

/// Whether the packet is there to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

struct Walk<'a> {
    bytes: &'a [u8],
    whole: Whole,
    chain: Chain,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], first_next_header: u8, whole: Whole) -> Self {
        let chain = Chain {
            protocol: first_next_header,
            offset: 0,
            fragment: None,
        };
        Self {
            bytes,
            whole,
            chain,
        }
    }

    fn run(mut self) -> Result<Chain, ExtensionError> {
        for _ in 0..MAX_EXTENSIONS {
            if self.is_done() {
                return Ok(self.chain);
            }
            self.step()?;
        }
        if self.is_done() {
            Ok(self.chain)
        } else {
            Err(ExtensionError::TooLong)
        }
    }

    /// True if what is next is not to be walked over.
    fn is_done(&self) -> bool {
        let is_extension = matches!(
            self.chain.protocol,
            HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
        );
        !is_extension || self.chain.fragment.is_some_and(|part| !part.is_first())
    }

    fn step(&mut self) -> Result<(), ExtensionError> {
        let rest = &self.bytes[self.chain.offset..];
        if self.chain.protocol == FRAGMENT {
            return self.enter_fragment(rest);
        }
        let (header, _) =
            ExtensionHeader::ref_from_prefix(rest).map_err(|_| ExtensionError::Truncated)?;
        match self.chain.protocol {
            HOP_BY_HOP if self.chain.offset != 0 => return Err(ExtensionError::Order),
            ROUTING if header.routing_type == 0 || header.segments_left != 0 => {
                return Err(ExtensionError::Routing);
            }
            _ => {}
        }
        self.advance((usize::from(header.len) + 1) * 8, header.next_header)
    }

    fn enter_fragment(&mut self, rest: &[u8]) -> Result<(), ExtensionError> {
        let (header, part) =
            FragmentHeader::ref_from_prefix(rest).map_err(|_| ExtensionError::Truncated)?;
        let offset_flags = header.offset_flags.get();
        let fragment = Fragment6 {
            id: header.identification.get(),
            offset: offset_flags & OFFSET_MASK,
            more: offset_flags & MORE != 0,
        };
        if self.chain.fragment.is_some() {
            return Err(ExtensionError::Order);
        }
        if self.whole == Whole::Yes && !fragment.admits(part.len()) {
            return Err(ExtensionError::Fragment);
        }
        self.chain.fragment = Some(fragment);
        self.advance(size_of::<FragmentHeader>(), header.next_header)
    }

    fn advance(&mut self, len: usize, next_header: u8) -> Result<(), ExtensionError> {
        self.chain.offset += len;
        self.chain.protocol = next_header;
        if self.chain.offset > self.bytes.len() {
            return Err(ExtensionError::Truncated);
        }
        if self.chain.offset > MAX_CHAIN_LEN {
            return Err(ExtensionError::TooLong);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Both ends of the tunnels `ipip` and `gue`, for kernels that have no such modules: what arrives
//! is taken apart and judged ([`outer`]) and handed to the kernel through a TUN device by the
//! program `decap`; the program `encap` is a sender that is independent of Viaduct.
//!
//! References: RFC 2003 (IP in IPv4), RFC 2473 (IP in IPv6), RFC 6040 (ECN),
//! draft-ietf-intarea-gue (GUE variants 0 and 1), RFC 6935 (zero UDP checksums over IPv6).

pub mod decap;
pub mod encap;
pub mod outer;
pub mod wrap;

/// UDP port of GUE.
pub const GUE_PORT: u16 = 6080;

/// Protocol number of an IPv4 packet inside.
pub(crate) const IPV4: u8 = 4;
/// Protocol number of an IPv6 packet inside.
pub(crate) const IPV6: u8 = 41;
/// Protocol number of UDP.
pub(crate) const UDP: u8 = 17;

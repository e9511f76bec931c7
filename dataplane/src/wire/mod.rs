//! Packet formats: Ethernet and VLAN, ARP and Neighbor Discovery, IPv4 and IPv6, ICMP, TCP, UDP,
//! tunnels, and their checksums.
//!
//! Each header is a `repr(C)` view of the bytes with network-order fields. [`parse()`] checks every
//! length once; what it returns holds offsets that are valid for the packet it read. The other
//! modules read what few packets carry (extension headers, quoted packets, neighbor messages) or
//! write packets: [`reset`], [`error_message`], [`tunnel`], [`nd`]. Nothing here knows services,
//! flows or ports of the machine, nothing here keeps state, and nothing here allocates.

pub mod arp;
pub mod checksum;
pub mod error_message;
pub mod ethernet;
pub mod icmp;
pub mod icmpv6;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
#[cfg(test)]
mod judge;
pub mod mac;
pub mod mss;
pub mod nd;
pub mod packet;
pub mod parse;
pub mod quoted;
pub mod reset;
pub mod tcp;
pub mod tunnel;
pub mod udp;

pub use mac::MacAddr;
pub use packet::Parsed;
pub use parse::parse;

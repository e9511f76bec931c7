//! Packet formats: Ethernet and VLAN, ARP, IPv4, ICMP, TCP, UDP, and their checksums.
//!
//! Each header is a `repr(C)` view of the bytes with network-order fields. [`parse()`] checks every
//! length once; what it returns holds offsets that are valid for the packet it read. Nothing here
//! knows services, flows or ports of the machine, and nothing here allocates.

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod mac;
pub mod parse;
pub mod tcp;
pub mod udp;

pub use mac::MacAddr;
pub use parse::{Parsed, parse};

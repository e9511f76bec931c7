//! Packets through whole workers, on plain memory, with `etherparse` as the judge of what comes out.
//! Every run of a rig checks that each packet that came has one end, and every frame that is sent.

mod connections;
mod discovery;
mod dsr;
mod errors;
mod fragments;
mod gateway;
mod hairpin;
mod hand_off;
mod limits;
mod malformed;
mod nat;
mod neighbors;
mod oracle;
mod own_addresses;
mod packets;
mod random;
mod refusals;
mod resets;
mod rig;
mod segments;
mod snat;
mod tunnels;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use etherparse::PacketBuilder;

use super::*;
use crate::clock::TickSpan;
use crate::table::{Policy, Table};
use crate::wire::MacAddr;
use crate::wire::arp::{ArpOperation, ArpPacket};
use crate::wire::ethernet::VlanId;
use oracle::*;
use packets::*;
use rig::*;

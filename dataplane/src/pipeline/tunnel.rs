//! The tunnel modes: the packet goes to the backend in another IP packet (`ipip`, `gue`).
//!
//! A packet that does not fit with its outer headers is refused, and its sender told how large it
//! may be, whether it forbids fragmenting or not: outer packets are never fragmented, because
//! backends would have to reassemble them.

use super::Pipeline;
use super::leave::Outbound;
use super::refuse::Refused;
use super::side::Side;
use crate::frame::Frame;
use crate::network::{Interface, Network};
use crate::table::{Mode, Occupant};
use crate::verdict::DropReason;
use crate::wire::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use crate::wire::ip::{AddressPair, Family};
use crate::wire::packet::Layout;
use crate::wire::tunnel::{Encapsulation, InnerFacts, OuterParams, overhead, write_outer};

/// TTL and hop limit of outer headers (RFC 1700's recommended default).
const OUTER_HOPS: u8 = 64;

impl<F: Frame> Pipeline<F> {
    /// Puts the packet into another one, for this backend.
    pub(super) fn encapsulate<A: Side>(
        &self,
        frame: &mut F,
        layout: Layout,
        entropy: u64,
        backend: &Occupant,
        interface: &Interface,
    ) -> Result<Outbound, Refused> {
        let addresses = entry_and_exit(interface, backend).ok_or(DropReason::NoRoute)?;
        let encapsulation = encapsulation(&self.network, backend.mode);
        let front = overhead(addresses.family(), encapsulation);
        let path = self.path_mtus.get(backend.address);
        let mtu = path.map_or(interface.mtu, |path| path.min(interface.mtu));
        Self::check_size(layout.packet_len(), mtu.saturating_sub(front as u16))?;
        let (ip, end) = (usize::from(layout.ip), usize::from(layout.end));
        A::take_hop(frame.bytes_mut(), ip).ok_or(DropReason::Truncated)?;
        frame.truncate(end);
        frame.trim_front(ip);
        let inner = InnerFacts::read(frame.bytes(), entropy as u32).ok_or(DropReason::Truncated)?;
        if !frame.prepend(front) {
            return Err(DropReason::Headroom.into());
        }
        let outer = OuterParams {
            addresses,
            encapsulation,
            ttl: OUTER_HOPS,
            dscp: self.network.tunnels.dscp,
            identification: self.next_identification(),
        };
        write_outer(frame.bytes_mut(), &outer, &inner).ok_or(DropReason::TooBig)?;
        Ok(Outbound {
            ip: 0,
            end: frame.bytes().len(),
            ethertype: match addresses.family() {
                Family::V4 => ETHERTYPE_IPV4,
                Family::V6 => ETHERTYPE_IPV6,
            },
        })
    }

    /// ID of the next outer IPv4 header that may be fragmented.
    pub(super) fn next_identification(&self) -> u16 {
        self.identification.wrapping_add(1)
    }
}

/// Where the tunnel begins and ends: at the interface's own address, and at the backend.
fn entry_and_exit(interface: &Interface, backend: &Occupant) -> Option<AddressPair> {
    AddressPair::new(interface.address_towards(backend.address)?, backend.address)
}

fn encapsulation(network: &Network, mode: Mode) -> Encapsulation {
    match mode {
        Mode::Gue => Encapsulation::Gue {
            port: network.tunnels.gue_port,
            variant: network.tunnels.gue_variant,
        },
        _ => Encapsulation::Ip,
    }
}

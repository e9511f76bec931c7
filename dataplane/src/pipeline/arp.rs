//! ARP: answers for Viaduct's own addresses, its source addresses and VIPs; learns from everyone.

use std::net::IpAddr;

use super::Pipeline;
use crate::frame::Frame;
use crate::neighbor::{Claim, Heard, NeighborUpdate, Request};
use crate::network::{Interface, InterfaceIndex};
use crate::verdict::{DropReason, Verdict};
use crate::wire::MacAddr;
use crate::wire::arp::{ARP_LEN, ArpOperation, ArpPacket};
use crate::wire::ethernet::{self, ETHERTYPE_ARP};

/// Room for a tagged ARP frame.
const FRAME_LEN: usize = ethernet::HEADER_LEN + ethernet::TAG_LEN + ARP_LEN;

impl<F: Frame> Pipeline<F> {
    pub(super) fn answer_arp(
        &mut self,
        frame: &mut F,
        interface: InterfaceIndex,
        packet: ArpPacket,
    ) -> Result<Verdict, DropReason> {
        if self.is_local(packet.sender_ip) {
            let claimed = self.claimed(interface, packet.sender_ip.into(), packet.sender_mac);
            return Err(claimed.unwrap_or(DropReason::ArpInvalid));
        }
        if !packet.sender_ip.is_unspecified() {
            self.hear(Heard::Neighbor(NeighborUpdate {
                interface,
                address: packet.sender_ip.into(),
                mac: packet.sender_mac,
                claim: Claim::Arp,
            }));
        }
        let asks = packet.operation == ArpOperation::Request;
        if !asks || !self.answers_for(interface, packet.target_ip) {
            return Ok(self.to_host(interface));
        }
        let reply = packet.reply_from(self.network.interface(interface).mac);
        if write_arp(
            frame,
            self.network.interface(interface),
            packet.sender_mac,
            reply,
        ) {
            Ok(Verdict::Reply(interface))
        } else {
            Err(DropReason::Headroom)
        }
    }

    /// What Viaduct has learned from may be for the host's stack too.
    pub(super) fn to_host(&self, interface: InterfaceIndex) -> Verdict {
        match self.network.interface(interface).host_port {
            Some(_) => Verdict::Punt(interface),
            None => Verdict::Absorb,
        }
    }

    /// Makes `frame` a question for a next hop. False if it does not fit.
    #[must_use]
    pub fn write_request(&self, frame: &mut F, Request { route, unicast }: Request) -> bool {
        let interface = self.network.interface(route.interface);
        let target_ip = match route.next_hop {
            IpAddr::V4(target) => target,
            IpAddr::V6(target) => {
                let request = Request { route, unicast };
                return self.write_solicitation(frame, interface, target, request);
            }
        };
        let Some(own) = interface.ipv4 else {
            return false;
        };
        let request = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: interface.mac,
            sender_ip: own.address,
            target_mac: MacAddr::ZERO,
            target_ip,
        };
        let station = unicast.unwrap_or(MacAddr::BROADCAST);
        write_arp(frame, interface, station, request)
    }
}

/// Replaces the frame's contents. False, and the frame unchanged, if they do not fit.
pub(super) fn write_arp<F: Frame>(
    frame: &mut F,
    interface: &Interface,
    destination: MacAddr,
    packet: ArpPacket,
) -> bool {
    let mut bytes = [0; FRAME_LEN];
    let header = ethernet::header_len(interface.vlan);
    let written = ethernet::write(
        &mut bytes,
        destination,
        interface.mac,
        interface.vlan,
        ETHERTYPE_ARP,
    );
    bytes[header..header + ARP_LEN].copy_from_slice(&packet.to_bytes());
    written && frame.assign(&bytes[..header + ARP_LEN])
}

//! Gratuitous ARP and unsolicited neighbor advertisements: tell the segment where Viaduct's addresses
//! are now (RFC 5227, section 2.3; RFC 4861, section 7.2.6).

use std::net::{IpAddr, Ipv6Addr};

use super::Pipeline;
use super::arp::write_arp;
use crate::clock::Ticks;
use crate::frame::Frame;
use crate::network::{Interface, InterfaceIndex};
use crate::wire::MacAddr;
use crate::wire::arp::ArpPacket;
use crate::wire::nd::{self, Link};

impl<F: Frame> Pipeline<F> {
    /// The next address to announce, and where.
    pub fn next_announcement(&mut self, now: Ticks) -> Option<(InterfaceIndex, IpAddr)> {
        if let Some(defence) = self.defences.pop() {
            return Some(defence);
        }
        let vips = self.tables.current().vips();
        let (interface, address) = self.announcements.as_mut()?.next_announcement(vips, now)?;
        (!self.is_duplicate(interface, address)).then_some((interface, address))
    }

    /// Makes `frame` the announcement. False if it does not fit.
    #[must_use]
    pub fn write_announcement(
        &self,
        frame: &mut F,
        interface: InterfaceIndex,
        address: IpAddr,
    ) -> bool {
        let own = self.network.interface(interface);
        match address {
            IpAddr::V4(address) => {
                let packet = ArpPacket::announcement(own.mac, address);
                write_arp(frame, own, MacAddr::BROADCAST, packet)
            }
            IpAddr::V6(address) => write_advertisement(frame, own, address),
        }
    }
}

fn write_advertisement<F: Frame>(frame: &mut F, own: &Interface, address: Ipv6Addr) -> bool {
    let link = Link {
        mac: own.mac,
        vlan: own.vlan,
    };
    let mut bytes = [0; nd::MAX_FRAME_LEN];
    let len = nd::write_announcement(&mut bytes, link, address, false);
    len.is_some_and(|len| frame.assign(&bytes[..len]))
}

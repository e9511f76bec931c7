//! TCP and UDP: finds a packet's flow, or makes one, and sends the packet on its way.

use std::net::Ipv4Addr;

use zerocopy::FromBytes;

use super::rewrite::{Leaving, rewrite_ethernet, rewrite_ipv4};
use super::{Pipeline, account_end, timeouts_of};
use crate::Protocol;
use crate::clock::Ticks;
use crate::flow::{Direction, Flow, FlowIndex, Probe, State, TcpFacts, Transition};
use crate::frame::Frame;
use crate::neighbor::{Lookup, NeighborRef};
use crate::verdict::{DropReason, Verdict};
use crate::wire::MacAddr;
use crate::wire::parse::{Ipv4Layout, Transport};
use crate::wire::tcp::TcpHeader;

impl<F: Frame> Pipeline<F> {
    #[inline]
    pub(super) fn balance(
        &mut self,
        frame: &mut F,
        packet: &Transport,
        probe: &Probe<Ipv4Addr>,
        now: Ticks,
    ) -> Result<Verdict, DropReason> {
        if packet.layout.ttl <= 1 {
            return Err(DropReason::TtlExpired);
        }
        let found = self.flows.find(probe);
        let (flow, direction) = match found {
            Some((flow, direction)) if !self.is_superseded(flow, direction, packet) => {
                (flow, direction)
            }
            Some((flow, _)) => {
                self.end(flow);
                (self.create(packet, now)?, Direction::Forward)
            }
            None => (self.create(packet, now)?, Direction::Forward),
        };
        self.send(frame, packet, flow, direction, now)
    }

    /// True if the packet starts anew on the ports of an old flow and may choose again: its backend
    /// is gone, or drains and would get a new connection after the old one has closed.
    #[inline]
    fn is_superseded(&self, flow: FlowIndex, direction: Direction, packet: &Transport) -> bool {
        let starts = packet.key.protocol == Protocol::Udp || packet.flags.opens();
        if direction == Direction::Reverse || !starts {
            return false;
        }
        let (flow, table) = (self.flows.get(flow), self.tables.current());
        if flow.may_reopen() {
            !table.takes_new(flow.backend_slot, flow.backend_epoch)
        } else {
            !table.has_backend(flow.backend_slot, flow.backend_epoch)
        }
    }

    /// Rewrites a packet of a flow and follows it.
    fn send(
        &mut self,
        frame: &mut F,
        packet: &Transport,
        index: FlowIndex,
        direction: Direction,
        now: Ticks,
    ) -> Result<Verdict, DropReason> {
        if packet.flags.opens() && direction == Direction::Forward {
            self.reopen(index, now);
        }
        let flow = self.flows.get(index);
        let (ip, transport) = flow.changes(direction);
        let endpoints = flow.leaving(direction);
        let leaving = Leaving {
            endpoints,
            ip,
            transport,
        };
        let neighbor = flow.neighbor(direction);
        let (layout, protocol) = (packet.layout, packet.key.protocol);
        let facts = tcp_facts(frame.bytes(), packet);
        rewrite_ipv4(frame.bytes_mut(), layout, protocol, &leaving).ok_or(DropReason::Truncated)?;
        self.count(index, direction, layout);
        self.follow(index, direction, facts, now);
        self.leave(frame, layout, neighbor, now)
    }

    /// A SYN on the ports of a closed connection starts a new one with the same backend, which
    /// knows the ports and judges the sequence number as if it had come directly.
    fn reopen(&mut self, index: FlowIndex, now: Ticks) {
        if self.flows.get(index).may_reopen() {
            let table = self.tables.current();
            let timeout = |flow: &Flow<_>| flow.timeout(timeouts_of(table, flow));
            self.flows.reopen(index, now, timeout);
        }
    }

    #[inline]
    fn count(&self, index: FlowIndex, direction: Direction, layout: Ipv4Layout) {
        if direction == Direction::Reverse {
            return;
        }
        if let Some(backend) = self.counters.backend(self.flows.get(index).backend_slot) {
            backend.packets.add(1);
            backend
                .bytes
                .add(u64::from(layout.end) - u64::from(layout.ip));
        }
    }

    #[inline]
    fn follow(&mut self, index: FlowIndex, direction: Direction, facts: TcpFacts, now: Ticks) {
        let table = self.tables.current();
        let timeout = |flow: &Flow<_>| flow.timeout(timeouts_of(table, flow));
        let transition = self.flows.follow(index, direction, facts, now, timeout);
        if transition == Transition::Refused {
            self.end(index);
        }
    }

    /// Ends a flow, if one must go for another in state `opening`.
    pub(super) fn make_room(&mut self, opening: State, now: Ticks) {
        let table = self.tables.current();
        let timeout = |flow: &Flow<_>| flow.timeout(timeouts_of(table, flow));
        if let Some((flow, _)) = self.flows.make_room(opening, now, timeout) {
            account_end(&self.counters, &mut self.neighbors, &flow);
        }
    }

    pub(super) fn end(&mut self, index: FlowIndex) {
        let flow = self.flows.remove(index);
        account_end(&self.counters, &mut self.neighbors, &flow);
    }

    /// Puts the Ethernet header on and sends the packet to its next hop, or lets it wait.
    #[inline]
    fn leave(
        &mut self,
        frame: &mut F,
        layout: Ipv4Layout,
        neighbor: NeighborRef,
        now: Ticks,
    ) -> Result<Verdict, DropReason> {
        let index = self.neighbors.interface(neighbor);
        let interface = self.network.interface(index);
        match self.neighbors.lookup(neighbor, now) {
            Lookup::Known(mac) => {
                rewrite_ethernet(frame, layout, interface, mac)?;
                Ok(Verdict::Forward(index))
            }
            Lookup::Unresolved => {
                rewrite_ethernet(frame, layout, interface, MacAddr::ZERO)?;
                self.held_for = neighbor;
                Ok(Verdict::Hold)
            }
        }
    }
}

/// What the flow table follows of a packet.
fn tcp_facts(bytes: &[u8], packet: &Transport) -> TcpFacts {
    let body = &bytes[usize::from(packet.layout.transport)..];
    let ack = match TcpHeader::ref_from_prefix(body) {
        Ok((header, _)) if packet.key.protocol == Protocol::Tcp => header.acknowledgement.get(),
        _ => 0,
    };
    TcpFacts {
        flags: packet.flags,
        ack,
    }
}

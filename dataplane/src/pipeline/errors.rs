//! ICMP errors about packets of flows: path MTU discovery and "unreachable" work through Viaduct as
//! through a router (RFC 5508, section 4).
//!
//! An error quotes a packet that left here. It goes to whoever sent that packet here, and quotes it
//! as that one knows it. The NIC cannot tell which worker knows the flow, so an error that one worker
//! knows nothing of goes on to the next, once around.

use zerocopy::FromBytes;

use super::Pipeline;
use super::leave::Outbound;
use super::refuse::Refused;
use super::side::Side;
use crate::clock::Ticks;
use crate::flow::{Direction, Flow, FlowIndex, FlowKey, Return};
use crate::frame::Frame;
use crate::network::InterfaceIndex;
use crate::verdict::{DropReason, Verdict};
use crate::wire::icmp::{self, ErrorKind, IcmpHeader, IcmpKind};
use crate::wire::icmpv6;
use crate::wire::ip::{AddressPair, Family};
use crate::wire::packet::{Layout, Packet};
use crate::wire::quoted::{Endpoints, Quoted, QuotedTunnel};
use crate::worker::WorkerId;

impl<F: Frame> Pipeline<F> {
    pub(super) fn relay_error<A: Side>(
        &mut self,
        frame: &mut F,
        arrived: Option<InterfaceIndex>,
        packet: &Packet<A>,
        now: Ticks,
    ) -> Result<Verdict, DropReason> {
        if packet.layout.hops <= 1 {
            return Err(DropReason::TtlExpired);
        }
        if self.learn_path_mtu(frame, packet, now) {
            return Ok(self.pass_around(frame, arrived).unwrap_or(Verdict::Absorb));
        }
        let Some((quoted, index, direction, entropy)) = self.quoted_flow(frame, packet) else {
            let unrelated = || self.unrelated(arrived, packet);
            return self.pass_around(frame, arrived).map_or_else(unrelated, Ok);
        };
        let flow = A::memory(&self.memories).flows.get(index);
        match flow.returns() {
            Return::ThroughUs => {
                let neighbor = flow.neighbor(direction);
                let outbound = translate_error(frame, packet, &quoted, flow, direction)?;
                self.leave(frame, outbound, neighbor, now)
            }
            Return::Direct => self.hand_error_on::<A>(frame, packet.layout, index, entropy, now),
        }
    }

    /// The flow that an error is about, the direction of packets that answer the quoted one, and
    /// their hash.
    pub(super) fn quoted_flow<A: Side>(
        &self,
        frame: &F,
        packet: &Packet<A>,
    ) -> Option<(Quoted, FlowIndex, Direction, u64)> {
        let quoted = read_quoted(frame.bytes(), packet.layout)?;
        let flows = &A::memory(&self.memories).flows;
        let probe = flows.probe(answer_key::<A>(&quoted)?);
        let (index, direction) = flows.find(&probe)?;
        Some((quoted, index, direction, probe.hash()))
    }

    /// The worker that looks at the error next; `None` if all have.
    pub(super) fn pass_around(
        &self,
        frame: &mut F,
        arrived: Option<InterfaceIndex>,
    ) -> Option<Verdict> {
        let seen_by = if arrived.is_some() {
            1
        } else {
            frame.note() + 1
        };
        let workers = self.network.workers;
        if seen_by as usize >= workers {
            return None;
        }
        frame.set_note(seen_by);
        let next = (usize::from(self.worker.0) + 1) % workers;
        Some(Verdict::Handoff(WorkerId(next as u8)))
    }

    /// An error about a packet that is none of ours may be about one of the host's.
    pub(super) fn unrelated<A: Side>(
        &self,
        arrived: Option<InterfaceIndex>,
        packet: &Packet<A>,
    ) -> Result<Verdict, DropReason> {
        let route = || {
            self.network
                .route(packet.source)
                .map(|route| route.interface)
        };
        match arrived.or_else(route) {
            Some(interface) if self.is_host(interface, packet.destination) => {
                Ok(Verdict::Punt(interface))
            }
            _ => Err(DropReason::IcmpUnrelated),
        }
    }

    /// True if the error is about a packet of a tunnel of ours. What it says of the way's MTU counts
    /// for the packets to come: their senders are told.
    fn learn_path_mtu<A: Side>(&mut self, frame: &F, packet: &Packet<A>, now: Ticks) -> bool {
        let Some((message, tunnel)) = self.quoted_tunnel(frame, packet) else {
            return false;
        };
        if let Some(mtu) = next_hop_mtu(message, tunnel.outer.family()) {
            self.path_mtus.learn(tunnel.outer.destination(), mtu, now);
        }
        true
    }

    /// The packet of a tunnel of ours that an error is about, and the whole message.
    pub(super) fn quoted_tunnel<'f, A: Side>(
        &self,
        frame: &'f F,
        packet: &Packet<A>,
    ) -> Option<(&'f [u8], QuotedTunnel)> {
        if !self.network.is_own(packet.destination) {
            return None;
        }
        let message = message(frame.bytes(), packet.layout)?;
        let port = self.network.tunnels.gue_port;
        Some((
            message,
            QuotedTunnel::read(message, icmp::HEADER_LEN, port)?,
        ))
    }

    /// Hands an error about a direct answer on to the backend that gave it.
    fn hand_error_on<A: Side>(
        &mut self,
        frame: &mut F,
        layout: Layout,
        index: FlowIndex,
        entropy: u64,
        now: Ticks,
    ) -> Result<Verdict, DropReason> {
        let outbound = self.deliver::<A>(frame, layout, entropy, index);
        match outbound {
            Ok((outbound, neighbor)) => self.leave(frame, outbound, neighbor, now),
            // About an error nobody is told.
            Err(Refused::Silently(reason) | Refused::Answered(reason, _)) => Err(reason),
        }
    }
}

/// Rewrites an error and what it quotes, for the way of this direction.
pub(super) fn translate_error<A: Side, F: Frame>(
    frame: &mut F,
    packet: &Packet<A>,
    quoted: &Quoted,
    flow: &Flow<A>,
    direction: Direction,
) -> Result<Outbound, DropReason> {
    let [near, far] = flow.leaving(direction);
    // The end itself may have sent the error; routers keep their own addresses.
    let is_end = packet.source == flow.key(direction).source;
    let source = if is_end { near.0 } else { packet.source };
    let pair = |source: A, destination: A| {
        AddressPair::new(source.into(), destination.into()).ok_or(DropReason::IcmpUnrelated)
    };
    let outside = pair(source, far.0)?;
    let to = Endpoints {
        addresses: pair(far.0, near.0)?,
        source_port: far.1,
        destination_port: near.1,
    };
    let layout = packet.layout;
    let bytes = frame.bytes_mut();
    let message = bytes.get_mut(usize::from(layout.transport)..usize::from(layout.end));
    if !quoted.translate(message.ok_or(DropReason::Truncated)?, &to, outside) {
        return Err(DropReason::IcmpUnrelated);
    }
    let change = packet.source.change_to(source);
    let change = change.and(packet.destination.change_to(far.0));
    A::rewrite_header(bytes, usize::from(layout.ip), [source, far.0], change)
        .ok_or(DropReason::Truncated)?;
    Ok(Outbound::in_place::<A>(layout))
}

fn message(bytes: &[u8], layout: Layout) -> Option<&[u8]> {
    bytes.get(usize::from(layout.transport)..usize::from(layout.end))
}

fn read_quoted(bytes: &[u8], layout: Layout) -> Option<Quoted> {
    Quoted::read(message(bytes, layout)?, icmp::HEADER_LEN)
}

/// The key of packets that answer the quoted one: they arrive from where it went.
fn answer_key<A: Side>(quoted: &Quoted) -> Option<FlowKey<A>> {
    Some(FlowKey {
        source: A::from_ip(quoted.addresses.destination())?,
        destination: A::from_ip(quoted.addresses.source())?,
        source_port: quoted.destination_port,
        destination_port: quoted.source_port,
        protocol: quoted.protocol,
    })
}

/// The MTU that a "too big" message names.
fn next_hop_mtu(message: &[u8], family: Family) -> Option<u16> {
    let (header, _) = IcmpHeader::ref_from_prefix(message).ok()?;
    let (kind, mtu) = match family {
        Family::V4 => (icmp::kind(header.kind, header.code), header.next_hop_mtu()),
        Family::V6 => (
            icmpv6::kind(header.kind, header.code),
            u16::try_from(icmpv6::mtu(header)).unwrap_or(u16::MAX),
        ),
    };
    (kind == IcmpKind::Error(ErrorKind::PacketTooBig)).then_some(mtu)
}

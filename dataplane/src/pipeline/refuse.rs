//! Packets that go nowhere: whether and how their sender is told.
//!
//! A refused packet is dropped under its reason. Its frame may carry the answer back: a TCP RST, or
//! an ICMP error, to the station that it came from, so that no neighbor need be known. Answers are
//! limited in their rate, and never made for what may not be answered.

use std::net::IpAddr;

use super::side::Side;
use super::{Pipeline, Transport};
use crate::Protocol;
use crate::clock::Ticks;
use crate::flow::FlowKey;
use crate::frame::Frame;
use crate::limits::Bucket;
use crate::network::InterfaceIndex;
use crate::table::Refusal;
use crate::verdict::{DropReason, Verdict};
use crate::wire::error_message::{self, Problem};
use crate::wire::ethernet::{self, EthernetHeader};
use crate::wire::reset::{Reset, Segment};

/// Resets and ICMP errors that a worker sends in a second, each.
pub(super) const ANSWERS_PER_SECOND: u32 = 1000;

/// Longest answer with its Ethernet header: an ICMPv6 error.
const ANSWER_LEN: usize = ethernet::HEADER_LEN + ethernet::TAG_LEN + error_message::MAX_LEN_V6;

/// Why a packet does not go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// Nobody is told.
    Silently(DropReason),
    /// Its sender is told.
    Answered(DropReason, Answer),
}

/// What the sender is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// That there is no such service, in the service's way.
    ByPolicy(Refusal),
    /// That it makes too many hops.
    TimeExceeded,
    /// That a packet may have only this many bytes.
    TooBig(u16),
}

impl From<DropReason> for Refused {
    fn from(reason: DropReason) -> Self {
        Self::Silently(reason)
    }
}

impl Refused {
    pub(super) const fn reason(self) -> DropReason {
        match self {
            Self::Silently(reason) | Self::Answered(reason, _) => reason,
        }
    }

    pub(super) const fn too_big(mtu: u16) -> Self {
        Self::Answered(DropReason::TooBig, Answer::TooBig(mtu))
    }
}

/// How many answers may still be sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AnswerBudget {
    resets: Bucket,
    errors: Bucket,
}

impl<F: Frame> Pipeline<F> {
    /// The verdict on a refused packet. If it is answered, the frame becomes the answer.
    pub(super) fn refuse<A: Side>(
        &mut self,
        frame: &mut F,
        packet: &Transport<A>,
        refused: Refused,
        now: Ticks,
    ) -> Verdict {
        let (reason, answer) = match refused {
            Refused::Silently(reason) => return Verdict::Drop(reason),
            Refused::Answered(reason, answer) => (reason, answer),
        };
        let answered = match packet.arrived {
            Some(interface) if packet.has_header => {
                self.answer(frame, packet, interface, answer, now)
            }
            // Another worker received it: the interface that leads back to its sender is as good.
            None if packet.has_header => self
                .network
                .route(packet.key.source)
                .and_then(|route| self.answer(frame, packet, route.interface, answer, now)),
            _ => None,
        };
        answered.map_or(Verdict::Drop(reason), |interface| {
            Verdict::Refuse(reason, interface)
        })
    }

    fn answer<A: Side>(
        &mut self,
        frame: &mut F,
        packet: &Transport<A>,
        interface: InterfaceIndex,
        answer: Answer,
        now: Ticks,
    ) -> Option<InterfaceIndex> {
        let own = self.network.interface(interface);
        let bytes = frame.bytes();
        let original = bytes.get(usize::from(packet.layout.ip)..usize::from(packet.layout.end))?;
        let mut made = [0; ANSWER_LEN];
        let start = ethernet::header_len(own.vlan);
        let room = &mut made[start..];
        let source: IpAddr = match answer {
            // The address that the client knows.
            Answer::ByPolicy(_) => packet.key.destination.into(),
            Answer::TimeExceeded | Answer::TooBig(_) => A::attachment(own)?.address.into(),
        };
        let is_tcp = packet.key.protocol == Protocol::Tcp;
        let len = match answer {
            Answer::ByPolicy(Refusal::Drop) => None,
            Answer::ByPolicy(Refusal::Reset) if is_tcp => self.write_reset(room, original, now),
            Answer::ByPolicy(_) => {
                self.write_error(room, source, Problem::PortUnreachable, original, now)
            }
            Answer::TimeExceeded => {
                self.write_error(room, source, Problem::HopsExceeded, original, now)
            }
            Answer::TooBig(mtu) => {
                self.write_error(room, source, Problem::TooBig { mtu }, original, now)
            }
        }?;
        let own = self.network.interface(interface);
        let (came_from, _) = zerocopy::Ref::<_, EthernetHeader>::from_prefix(bytes).ok()?;
        let to = came_from.source;
        let written = ethernet::write(&mut made, to, own.mac, own.vlan, A::ETHERTYPE);
        (written && frame.assign(&made[..start + len])).then_some(interface)
    }

    fn write_reset(&mut self, room: &mut [u8], original: &[u8], now: Ticks) -> Option<usize> {
        let reset = Reset::answering(&Segment::read(original)?)?;
        self.answers
            .resets
            .take(ANSWERS_PER_SECOND, now)
            .then_some(())?;
        reset.write(room)
    }

    fn write_error(
        &mut self,
        room: &mut [u8],
        source: IpAddr,
        problem: Problem,
        original: &[u8],
        now: Ticks,
    ) -> Option<usize> {
        let may = error_message::may_answer(original, problem);
        (may && self.answers.errors.take(ANSWERS_PER_SECOND, now)).then_some(())?;
        error_message::write(room, source, problem, original)
    }

    /// How the service that this packet is for refuses; as most do, if there is none.
    pub(super) fn refusal_of<A: Side>(&self, key: FlowKey<A>) -> Refusal {
        let vip = (key.destination.into(), key.destination_port).into();
        let service = self.tables.current().lookup(vip, key.protocol);
        service.map_or(self.network.refusal, |service| service.policy().refusal)
    }
}

//! What becomes of a packet, and why one is dropped.
//!
//! [`DropReason`] comes from one table: the enum, the metric label, the row in
//! `docs/drop-reasons.md` and the packet case that shows it all follow from it.

use crate::network::InterfaceIndex;
use crate::worker::WorkerId;

/// Makes [`DropReason`] and what is said of each reason.
macro_rules! drop_reasons {
    ($($variant:ident $label:literal $stage:literal $text:literal;)*) => {
        /// Why a packet was dropped. Every drop counts under exactly one reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $text] $variant,)*
        }

        impl DropReason {
            /// All reasons, in the order of the packet's way.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The metric's label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }

            /// The stage of the packet path at which it can happen.
            #[must_use]
            pub const fn stage(self) -> &'static str {
                match self { $(Self::$variant => $stage,)* }
            }

            /// What it means and what to do.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

drop_reasons! {
    MultiSegment "multi_segment" "parse" "The packet came in several buffers. Lower the MTU, or raise the size of a packet buffer.";
    Truncated "truncated" "parse" "The frame is shorter than the headers that it announces.";
    NotForUs "not_for_us" "parse" "The Ethernet destination is neither the port's address nor, for ARP, broadcast. A bridge that floods does this.";
    Vlan "vlan" "parse" "The frame's VLAN is not the port's.";
    EtherType "ethertype" "parse" "Neither IPv4, IPv6 nor ARP.";
    ArpInvalid "arp_invalid" "parse" "Not an ARP request or reply for IPv4 over Ethernet, or one whose sender cannot be.";
    AddressConflict "address_conflict" "parse" "Another station says by ARP or Neighbor Discovery that it has an address of Viaduct's. The log names the address; take it from one of them.";
    Ipv4Header "ipv4_header" "parse" "The version is not 4, or the header length is below 20 bytes.";
    Ipv4Length "ipv4_length" "parse" "The total length is shorter than the header or longer than the frame.";
    Ipv4Checksum "ipv4_checksum" "parse" "The header's checksum is wrong.";
    Ipv4Source "ipv4_source" "parse" "The source is no unicast address, or one of Viaduct's own.";
    Ipv6Header "ipv6_header" "parse" "The version is not 6.";
    Ipv6Length "ipv6_length" "parse" "The payload length is longer than the frame.";
    Ipv6Source "ipv6_source" "parse" "The source is no unicast address, or one of Viaduct's own.";
    Ipv6Extensions "ipv6_extensions" "parse" "Extension headers that are malformed, too many, or forbidden (routing type 0).";
    FragmentTiny "fragment_tiny" "parse" "The first part of a datagram does not hold its transport header, or a later one would overwrite it.";
    Protocol "protocol" "parse" "Neither TCP, UDP nor ICMP, or a fragment of something else than TCP and UDP.";
    TcpHeader "tcp_header" "parse" "The TCP header length is below 20 bytes or beyond the packet.";
    TcpFlags "tcp_flags" "parse" "A combination of TCP flags that no connection has.";
    UdpLength "udp_length" "parse" "The UDP length is below 8 bytes or beyond the packet.";
    IcmpChecksum "icmp_checksum" "parse" "An ICMP message whose checksum is wrong.";
    NdInvalid "nd_invalid" "parse" "A Neighbor Discovery message that breaks its rules (RFC 4861), such as one that has come through a router.";
    TtlExpired "ttl_expired" "flow" "The packet may make no further hop.";
    NotLocal "not_local" "service" "The destination is none of Viaduct's addresses: something routes other traffic here.";
    NoService "no_service" "service" "The address is Viaduct's, but no service has this port and protocol.";
    SourceDenied "source_denied" "service" "The service's `allow` and `deny` do not let this client in.";
    FlowLimit "flow_limit" "service" "The service has as many flows as its `flows` allows. Raise it, or shorten the service's `timeouts`.";
    RateLimit "rate_limit" "service" "More new flows in a second than the service's `new_flows_per_second` allows.";
    NoBackend "no_backend" "service" "The service has no backend that takes new flows.";
    NoFlow "no_flow" "flow" "A TCP packet of no known connection that does not open one, or a reply to a flow that has ended.";
    BackendGone "backend_gone" "flow" "The connection's backend is no longer there, and its service resets such connections.";
    IcmpUnrelated "icmp_unrelated" "flow" "An ICMP error about a packet of no known flow.";
    FragmentQueue "fragment_queue" "flow" "Later parts of a datagram came before the first, and enough wait already.";
    FragmentTimeout "fragment_timeout" "flow" "The first part of a datagram did not come in time.";
    FragmentConflict "fragment_conflict" "flow" "A second first part of a datagram, with other ports.";
    FlowTableFull "flow_table_full" "flow" "The worker's flow table has no room. Raise `workers.flows`, or shorten `timeouts`.";
    SnatPorts "snat_ports" "flow" "No free source port towards this backend. Add `nat.addresses`.";
    NoRoute "no_route" "forward" "No port has the next hop's subnet, and there is no gateway.";
    TooBig "too_big" "forward" "The packet does not fit the next hop's MTU, with the tunnel's header if there is one. Its sender is told.";
    NeighborQueue "neighbor_queue" "forward" "The next hop's address is being resolved, and enough packets wait for it already.";
    NeighborFailed "neighbor_failed" "forward" "The next hop did not answer ARP or Neighbor Discovery.";
    NeighborTable "neighbor_table" "forward" "The worker's neighbor table has no room.";
    Headroom "headroom" "forward" "The packet buffer has no room for the outgoing Ethernet header.";
    HandoffQueue "handoff_queue" "hand-off" "The inbox of the worker that owns the packet is full.";
    TransmitQueue "transmit_queue" "transmit" "The port's transmit queue is full.";
    Stopping "stopping" "transmit" "The worker stopped while the packet was waiting.";
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Rewritten and sent on by this interface.
    Forward(InterfaceIndex),
    /// Answered by Viaduct itself (ARP, ICMP echo), by this interface.
    Reply(InterfaceIndex),
    /// Given to the worker that owns its flow.
    Handoff(WorkerId),
    /// Waits for its next hop's Ethernet address; counted as what it becomes afterwards.
    Hold,
    /// Waits for the first fragment of its datagram; counted as what it becomes afterwards.
    HoldFragment,
    /// Learned from, with nothing to send: an ARP reply.
    Absorb,
    /// Dropped for this reason; the frame carries an answer to its sender, by this interface.
    Refuse(DropReason, InterfaceIndex),
    /// For the host's own stack: given to the exception port of this interface.
    Punt(InterfaceIndex),
    /// From the host's own stack: sent on by this interface as it is.
    FromHost(InterfaceIndex),
    /// Thrown away.
    Drop(DropReason),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_metric_labels() {
        let mut labels: Vec<_> = DropReason::ALL.iter().map(|r| r.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), DropReason::ALL.len());
        assert!(labels.iter().all(|l| {
            l.bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
        }));
    }

    #[test]
    fn reasons_index_their_own_table() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    /// Once in the drawing, and nothing else with an underscore, as all but a few labels have.
    #[test]
    fn the_drawing_shows_each_reason_once() {
        let document = include_str!("../../docs/packet-path.md");
        let drawing = document.split("```").nth(1).expect("there is a drawing");
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words: Vec<&str> = drawing.split(|c| !is_of_word(c)).collect();
        for reason in DropReason::ALL {
            let label = reason.label();
            // Words that the drawing also uses as words are only looked for.
            let count = words.iter().filter(|word| **word == label).count();
            let once = if label.contains('_') {
                count == 1
            } else {
                count >= 1
            };
            assert!(once, "docs/packet-path.md has `{label}` {count} times");
        }
        let known = |word: &&&str| {
            DropReason::ALL
                .iter()
                .any(|reason| reason.label() == **word)
        };
        let strange = words.iter().filter(|word| word.contains('_'));
        let strange: Vec<_> = strange.filter(|word| !known(word)).collect();
        assert!(strange.is_empty(), "docs/packet-path.md draws {strange:?}");
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let document = include_str!("../../docs/drop-reasons.md");
        for reason in DropReason::ALL {
            let row = format!(
                "| `{}` | {} | {} |",
                reason.label(),
                reason.stage(),
                reason.explanation()
            );
            assert!(
                document.contains(&row),
                "docs/drop-reasons.md lacks this row:\n{row}"
            );
        }
        let rows = document
            .lines()
            .filter(|line| line.starts_with("| `"))
            .count();
        assert_eq!(
            rows,
            DropReason::ALL.len(),
            "docs/drop-reasons.md has rows of reasons that are gone"
        );
    }
}

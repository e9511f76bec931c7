//! The steps of a packet's way, as JSON and as text.

use std::net::{IpAddr, SocketAddr};

use dataplane::flow::Evicted;
use dataplane::flow::table::Room;
use dataplane::inspect::Step;
use dataplane::neighbor::Foreseen;
use dataplane::verdict::Verdict;
use dataplane::worker::WorkerId;
use serde::{Deserialize, Serialize};

use super::Inspection;
use super::flows::FlowStatus;
use super::neighbors::NeighborStatus;
use super::record::{direction_name, drop_reason, verdict_name};

/// A step. `step` says which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum StepStatus {
    /// It is TCP or UDP between these ends.
    Transport {
        /// `tcp` or `udp`.
        protocol: String,
        /// Where it comes from.
        source: SocketAddr,
        /// Where it goes.
        destination: SocketAddr,
    },
    /// It is a part of a datagram, all of which this worker gathers.
    Fragment {
        /// The worker.
        gatherer: u8,
    },
    /// It is an echo request to one of Viaduct's addresses.
    Echo,
    /// It is an ICMP error about another packet.
    IcmpError,
    /// It is ARP or Neighbor Discovery.
    NeighborMessage,
    /// It belongs to a flow.
    Flow {
        /// The flow.
        flow: FlowStatus,
        /// `to-backend` or `to-client`.
        direction: String,
    },
    /// No flow has its 5-tuple.
    NoFlow,
    /// It ends a flow and starts another.
    Restart {
        /// The one that ends.
        flow: FlowStatus,
    },
    /// It is for a service.
    Service {
        /// The VIP.
        vip: SocketAddr,
        /// `tcp` or `udp`.
        protocol: String,
        /// How packets reach the backend.
        mode: String,
    },
    /// The service has chosen a backend.
    Backend {
        /// Where it listens.
        address: SocketAddr,
        /// The place of the service's Maglev table that decides.
        maglev_slot: u32,
        /// Places of that table.
        maglev_size: u32,
    },
    /// The source that the backend would see.
    Source {
        /// It.
        source: SocketAddr,
    },
    /// The flow table is full, or too many flows are half open.
    Room {
        /// What makes room: `half-open` or `idle`; absent if nothing can.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evicts: Option<String>,
    },
    /// It is rewritten.
    Rewritten {
        /// Its new source.
        source: SocketAddr,
        /// Its new destination.
        destination: SocketAddr,
    },
    /// It is put into another packet.
    Encapsulated {
        /// `ipip` or `gue`.
        mode: String,
        /// Outer source.
        source: IpAddr,
        /// Outer destination.
        destination: IpAddr,
    },
    /// It leaves by a port, for a next hop.
    Route {
        /// The port.
        port: String,
        /// The VLAN there, if the port is tagged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vlan: Option<u16>,
        /// The address to resolve there.
        next_hop: IpAddr,
    },
    /// What is known of the next hop.
    NextHop {
        /// `sent`, `waits`, `failed` or `no-room`: what becomes of a packet for it.
        outcome: String,
        /// The neighbor, if there is one already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        neighbor: Option<NeighborStatus>,
    },
    /// What it comes to.
    Verdict {
        /// Its name.
        verdict: String,
        /// The port by which it, or the answer to it, leaves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<String>,
        /// The worker that it is handed to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<u8>,
        /// Why it is dropped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What that means and what to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explanation: Option<String>,
    },
}

impl Inspection {
    /// A step of a packet at this worker.
    #[must_use]
    pub fn step(&self, worker: WorkerId, step: &Step) -> StepStatus {
        let flow = |flow| FlowStatus::of(worker, flow);
        match *step {
            Step::Transport {
                protocol,
                source,
                destination,
            } => StepStatus::Transport {
                protocol: protocol.name().to_owned(),
                source,
                destination,
            },
            Step::Fragment(gatherer) => StepStatus::Fragment {
                gatherer: gatherer.0,
            },
            Step::Echo => StepStatus::Echo,
            Step::IcmpError => StepStatus::IcmpError,
            Step::NeighborMessage => StepStatus::NeighborMessage,
            Step::Flow(passage) => StepStatus::Flow {
                flow: flow(&passage.flow),
                direction: direction_name(passage.direction).to_owned(),
            },
            Step::NoFlow => StepStatus::NoFlow,
            Step::Restart(passage) => StepStatus::Restart {
                flow: flow(&passage.flow),
            },
            Step::Service {
                vip,
                protocol,
                mode,
                ..
            } => StepStatus::Service {
                vip,
                protocol: protocol.name().to_owned(),
                mode: mode.name().to_owned(),
            },
            Step::Backend {
                address, maglev, ..
            } => StepStatus::Backend {
                address,
                maglev_slot: maglev.0,
                maglev_size: maglev.1,
            },
            Step::Source(source) => StepStatus::Source { source },
            Step::Room(room) => StepStatus::Room {
                evicts: evicts(room),
            },
            Step::Rewritten {
                source,
                destination,
            } => StepStatus::Rewritten {
                source,
                destination,
            },
            Step::Encapsulated {
                mode,
                source,
                destination,
            } => StepStatus::Encapsulated {
                mode: mode.name().to_owned(),
                source,
                destination,
            },
            Step::Route(route) => {
                let interface = self.interface(route.interface);
                StepStatus::Route {
                    port: self.port_name(interface.port).to_owned(),
                    vlan: interface.vlan.map(|vlan| vlan.get()),
                    next_hop: route.next_hop,
                }
            }
            Step::NextHop(foreseen, neighbor) => StepStatus::NextHop {
                outcome: outcome(foreseen).to_owned(),
                neighbor: neighbor.map(|neighbor| self.neighbor(worker, &neighbor)),
            },
            Step::Verdict(verdict) => self.verdict(verdict),
        }
    }

    fn verdict(&self, verdict: Verdict) -> StepStatus {
        let (interface, worker) = match verdict {
            Verdict::Forward(interface)
            | Verdict::Reply(interface)
            | Verdict::Refuse(_, interface)
            | Verdict::Punt(interface)
            | Verdict::FromHost(interface) => (Some(interface), None),
            Verdict::Handoff(worker) => (None, Some(worker.0)),
            _ => (None, None),
        };
        let reason = drop_reason(verdict);
        let port = interface.map(|index| self.interface(index).port);
        StepStatus::Verdict {
            verdict: verdict_name(verdict).to_owned(),
            port: port.map(|port| self.port_name(port).to_owned()),
            worker,
            reason: reason.map(|reason| reason.label().to_owned()),
            explanation: reason.map(|reason| reason.explanation().to_owned()),
        }
    }
}

fn evicts(room: Room) -> Option<String> {
    match room {
        Room::After(Evicted::HalfOpen) => Some("half-open".to_owned()),
        Room::After(Evicted::Idle) => Some("idle".to_owned()),
        Room::Enough | Room::None => None,
    }
}

const fn outcome(foreseen: Foreseen) -> &'static str {
    match foreseen {
        Foreseen::Sent(_) => "sent",
        Foreseen::Waits => "waits",
        Foreseen::Failed => "failed",
        Foreseen::NoRoom => "no-room",
    }
}

/// The step's name and what it says, for people.
impl StepStatus {
    /// Name and text.
    #[must_use]
    pub fn describe(&self) -> (&'static str, String) {
        match self {
            Self::Transport {
                protocol,
                source,
                destination,
            } => (
                "parse",
                format!("{protocol} from {source} to {destination}"),
            ),
            Self::Fragment { gatherer } => (
                "parse",
                format!("a fragment; worker {gatherer} gathers its datagram"),
            ),
            Self::Echo => (
                "parse",
                "an echo request to an address of Viaduct's".to_owned(),
            ),
            Self::IcmpError => ("parse", "an ICMP error about another packet".to_owned()),
            Self::NeighborMessage => ("parse", "ARP or Neighbor Discovery".to_owned()),
            Self::Flow { flow, direction } => ("flow", format!("{direction}: {}", of_flow(flow))),
            Self::NoFlow => ("flow", "none with these ends".to_owned()),
            Self::Restart { flow } => {
                ("flow", format!("starts anew in place of {}", of_flow(flow)))
            }
            Self::Service {
                vip,
                protocol,
                mode,
            } => ("service", format!("{vip}/{protocol}, mode {mode}")),
            Self::Backend {
                address,
                maglev_slot,
                maglev_size,
            } => (
                "backend",
                format!("{address}, by slot {maglev_slot} of {maglev_size}"),
            ),
            Self::Source { source } => ("source", format!("the backend sees {source}")),
            Self::Room { evicts: Some(why) } => ("room", format!("one {why} flow goes for it")),
            Self::Room { evicts: None } => ("room", "none, and no flow may go".to_owned()),
            Self::Rewritten {
                source,
                destination,
            } => ("rewrite", format!("from {source} to {destination}")),
            Self::Encapsulated {
                mode,
                source,
                destination,
            } => ("rewrite", format!("{mode} from {source} to {destination}")),
            Self::Route {
                port,
                vlan,
                next_hop,
            } => {
                let vlan = vlan.map_or_else(String::new, |vlan| format!(" vlan {vlan}"));
                ("route", format!("{next_hop} by port {port}{vlan}"))
            }
            Self::NextHop { outcome, neighbor } => ("neighbor", of_neighbor(outcome, neighbor)),
            Self::Verdict { .. } => ("verdict", self.of_verdict()),
        }
    }

    fn of_verdict(&self) -> String {
        let Self::Verdict {
            verdict,
            port,
            worker,
            reason,
            explanation,
        } = self
        else {
            return String::new();
        };
        let mut text = verdict.clone();
        if let Some(reason) = reason {
            text.push_str(&format!(" {reason}"));
        }
        if let Some(worker) = worker {
            text.push_str(&format!(" to worker {worker}"));
        }
        match (port, reason) {
            (Some(port), Some(_)) => text.push_str(&format!("; answered by port {port}")),
            (Some(port), None) => text.push_str(&format!(" by port {port}")),
            (None, _) => {}
        }
        if let Some(explanation) = explanation {
            text.push_str(&format!(": {explanation}"));
        }
        text
    }
}

fn of_flow(flow: &FlowStatus) -> String {
    let backend = flow
        .backend
        .map_or_else(|| "gone".to_owned(), |backend| backend.to_string());
    let (vip, protocol, state, worker) = (flow.vip, &flow.protocol, &flow.state, flow.worker);
    format!(
        "{vip}/{protocol}, backend {backend}, {state}, idle {} ms, at worker {worker}",
        flow.idle_ms
    )
}

fn of_neighbor(outcome: &str, neighbor: &Option<NeighborStatus>) -> String {
    let becomes = match outcome {
        "sent" => "packets are sent",
        "waits" => "packets wait while it is asked",
        "failed" => "it does not answer",
        _ => "there is no place for another",
    };
    let Some(neighbor) = neighbor else {
        return format!("not known yet; {becomes}");
    };
    let mac = neighbor.mac.as_deref().unwrap_or("no address");
    format!(
        "{} at {mac}, {}; {becomes}",
        neighbor.address, neighbor.state
    )
}

//! Makes a flow: chooses the backend, the source port and the next hops.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Pipeline;
use super::rewrite::{Endpoint, Endpoints, checksum_changes};
use crate::Protocol;
use crate::clock::{TickSpan, Ticks};
use crate::flow::entry::Rewrite;
use crate::flow::{Flow, FlowIndex};
use crate::frame::Frame;
use crate::neighbor::{NeighborRef, Role};
use crate::table::{Backend, Service};
use crate::verdict::DropReason;
use crate::wire::parse::Transport;

/// What the forwarding table says about a new flow.
struct Choice {
    backend: Backend,
    address: Endpoint,
    service: crate::table::ServiceSlot,
    timeout: TickSpan,
}

impl<F: Frame> Pipeline<F> {
    /// Makes the flow that `packet` opens.
    pub(super) fn create(
        &mut self,
        packet: &Transport,
        now: Ticks,
    ) -> Result<FlowIndex, DropReason> {
        let key = packet.key;
        let opens = key.protocol == Protocol::Udp || packet.flags.opens();
        let choice = self.choose(packet, opens)?;
        let client = (key.source, key.source_port);
        let backend = self.next_hop(choice.address.0, Role::Infrastructure)?;
        let made = self.next_hop(client.0, Role::Client).and_then(|to_client| {
            let made = self.connect(packet, &choice, [backend, to_client], now);
            self.unrefer_if_failed(&made, to_client);
            made
        });
        self.unrefer_if_failed(&made, backend);
        made
    }

    fn unrefer_if_failed(&mut self, made: &Result<FlowIndex, DropReason>, neighbor: NeighborRef) {
        if made.is_err() {
            self.neighbors.unrefer(neighbor);
        }
    }

    /// Makes the flow with these next hops, to the backend and to the client.
    fn connect(
        &mut self,
        packet: &Transport,
        choice: &Choice,
        [to_backend, to_client]: [NeighborRef; 2],
        now: Ticks,
    ) -> Result<FlowIndex, DropReason> {
        let key = packet.key;
        let client = (key.source, key.source_port);
        let vip = (key.destination, key.destination_port);
        let snat = self
            .snat
            .choose(&self.flows, choice.address, key.protocol)
            .ok_or(DropReason::SnatPorts)?;
        let Backend { slot, epoch, .. } = choice.backend;
        let flow = Flow {
            client: client.0,
            vip: vip.0,
            snat: snat.0,
            backend: choice.address.0,
            client_port: client.1,
            vip_port: vip.1,
            snat_port: snat.1,
            backend_port: choice.address.1,
            to_backend: rewrite([client, vip], [snat, choice.address], to_backend),
            to_client: rewrite([choice.address, snat], [vip, client], to_client),
            service: choice.service,
            backend_slot: slot,
            backend_epoch: epoch,
            ..Flow::new(key.protocol, now)
        };
        self.insert(flow, choice.timeout)
    }

    fn choose(&self, packet: &Transport, opens: bool) -> Result<Choice, DropReason> {
        let key = packet.key;
        let table = self.tables.current();
        let vip = SocketAddr::from((key.destination, key.destination_port));
        let service = table
            .lookup(vip, key.protocol)
            .ok_or_else(|| self.no_service(key.destination))?;
        if !opens {
            return Err(DropReason::NoFlow);
        }
        let client = SocketAddr::from((key.source, key.source_port));
        let backend = service.pick(client).ok_or(DropReason::NoBackend)?;
        // Families are not mixed: the table of an IPv4 VIP has IPv4 backends.
        let IpAddr::V4(address) = backend.address.ip() else {
            return Err(DropReason::NoBackend);
        };
        Ok(Choice {
            backend: *backend,
            address: (address, backend.address.port()),
            service: service.slot(),
            timeout: first_timeout(service, key.protocol),
        })
    }

    fn no_service(&self, destination: Ipv4Addr) -> DropReason {
        if self.network.is_snat(destination) {
            DropReason::NoFlow
        } else if self.is_local(destination) {
            DropReason::NoService
        } else {
            DropReason::NotLocal
        }
    }

    fn next_hop(&mut self, destination: Ipv4Addr, role: Role) -> Result<NeighborRef, DropReason> {
        let route = self.network.route(destination).ok_or(DropReason::NoRoute)?;
        self.neighbors
            .refer(route, role)
            .ok_or(DropReason::NeighborTable)
    }

    fn insert(&mut self, flow: Flow<Ipv4Addr>, timeout: TickSpan) -> Result<FlowIndex, DropReason> {
        let slot = flow.backend_slot;
        let index = self
            .flows
            .insert(flow, timeout)
            .ok_or(DropReason::FlowTableFull)?;
        self.counters.flows_created.add(1);
        if let Some(backend) = self.counters.backend(slot) {
            backend.flows.add(1);
            backend.active.add(1);
        }
        Ok(index)
    }
}

fn rewrite(arriving: Endpoints, leaving: Endpoints, neighbor: NeighborRef) -> Rewrite {
    let (ip, transport) = checksum_changes(arriving, leaving);
    Rewrite {
        ip,
        transport,
        neighbor,
    }
}

fn first_timeout(service: &Service, protocol: Protocol) -> TickSpan {
    match protocol {
        Protocol::Tcp => service.timeouts().tcp_handshake,
        Protocol::Udp => service.timeouts().udp,
    }
}

//! Where an app's ports are written and where its tasks can be reached, for every kind of
//! networking that Marathon has had.
//!
//! | kind | ports and labels | backend |
//! |---|---|---|
//! | host | `portDefinitions[i]` | host : `ports[i]` |
//! | bridge | `container.portMappings[i]`, before 1.5 `container.docker.portMappings[i]` | host : `ports[i]` |
//! | container, with `hostPort` | the same | host : `ports[k]`, k counting mappings with a `hostPort` |
//! | container, without `hostPort` | the same | each address of the task : `containerPort` |
//! | address per task (before 1.5) | `ipAddress.discovery.ports[i]` | each address of the task : `number` |
//!
//! A bridge's own addresses (172.17.x.x) mean nothing outside of the agent and are never used.

use super::model::{App, DiscoveryPort, Labels, PortMapping};

/// How the tasks of an app can be reached at one of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// At the agent, on the task's host port with this index.
    Host(usize),
    /// At the task's own addresses, on this port.
    Task(u16),
    /// Not at all: the app names no port.
    Nowhere,
}

/// One port of an app.
#[derive(Debug)]
pub(super) struct Endpoint<'a> {
    /// Its index in the app's list of ports.
    pub(super) index: usize,
    /// `tcp`, `udp` or both, as written.
    pub(super) protocol: &'a str,
    pub(super) labels: &'a Labels,
    pub(super) target: Target,
}

/// The kinds of networking that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Bridge,
    Container,
}

/// The ports of `app`, in the order in which it lists them.
pub(super) fn endpoints(app: &App) -> Vec<Endpoint<'_>> {
    match kind(app) {
        Kind::Host => host_endpoints(app),
        Kind::Bridge => mapped_endpoints(mappings(app), true),
        Kind::Container => match (mappings(app), &app.ip_address) {
            ([], Some(ip)) => announced_endpoints(&ip.discovery.ports),
            (mappings, _) => mapped_endpoints(mappings, false),
        },
    }
}

/// The kind of networking; what Marathon writes since 1.5 decides where old and new are mixed.
fn kind(app: &App) -> Kind {
    if let Some(network) = app.networks.first() {
        return match network.mode.as_deref() {
            Some("host") => Kind::Host,
            Some("container/bridge") => Kind::Bridge,
            _ => Kind::Container,
        };
    }
    match app.container.docker.network.as_deref() {
        Some("BRIDGE") => Kind::Bridge,
        Some("USER") => Kind::Container,
        None if app.ip_address.is_some() => Kind::Container,
        _ => Kind::Host,
    }
}

/// The container's port mappings, wherever they are written.
fn mappings(app: &App) -> &[PortMapping] {
    match app.container.port_mappings.as_slice() {
        [] => &app.container.docker.port_mappings,
        mappings => mappings,
    }
}

fn host_endpoints(app: &App) -> Vec<Endpoint<'_>> {
    let ports = app.port_definitions.iter().enumerate();
    ports
        .map(|(index, port)| endpoint(index, &port.protocol, &port.labels, Target::Host(index)))
        .collect()
}

/// In a bridge every mapping has a host port, written or not.
fn mapped_endpoints(mappings: &[PortMapping], bridge: bool) -> Vec<Endpoint<'_>> {
    let mut host_ports = 0..;
    let mut endpoints = Vec::with_capacity(mappings.len());
    for (index, mapping) in mappings.iter().enumerate() {
        let PortMapping {
            container_port,
            host_port,
            protocol,
            labels,
        } = mapping;
        let on_host = bridge || !host_port.is_null();
        let host_index = if on_host { host_ports.next() } else { None };
        let target = host_index.map_or_else(|| task_target(*container_port), Target::Host);
        endpoints.push(endpoint(index, protocol, labels, target));
    }
    endpoints
}

fn announced_endpoints(ports: &[DiscoveryPort]) -> Vec<Endpoint<'_>> {
    let ports = ports.iter().enumerate();
    ports
        .map(|(index, port)| {
            endpoint(
                index,
                &port.protocol,
                &port.labels,
                task_target(port.number),
            )
        })
        .collect()
}

/// A port without a protocol is TCP.
fn endpoint<'a>(
    index: usize,
    protocol: &'a Option<String>,
    labels: &'a Labels,
    target: Target,
) -> Endpoint<'a> {
    let protocol = protocol.as_deref().filter(|text| !text.trim().is_empty());
    Endpoint {
        index,
        protocol: protocol.unwrap_or("tcp"),
        labels,
        target,
    }
}

fn task_target(port: Option<u16>) -> Target {
    port.filter(|port| *port != 0)
        .map_or(Target::Nowhere, Target::Task)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::model;
    use super::*;

    fn targets(app: &Value) -> Vec<Target> {
        let app = model::app(app).expect("an object");
        endpoints(&app)
            .iter()
            .map(|endpoint| endpoint.target)
            .collect()
    }

    #[test]
    fn an_app_without_networks_is_in_the_hosts_network() {
        let app = json!({"portDefinitions": [{}, {"protocol": "udp"}]});
        assert_eq!(targets(&app), [Target::Host(0), Target::Host(1)]);
    }

    #[test]
    fn every_mapping_of_a_bridge_has_a_host_port() {
        let mappings = json!([{"containerPort": 80}, {"containerPort": 81, "hostPort": null}]);
        let new = json!({"networks": [{"mode": "container/bridge"}], "container": {"portMappings": mappings}});
        let old = json!({"container": {"docker": {"network": "BRIDGE", "portMappings": mappings}}});
        assert_eq!(targets(&new), [Target::Host(0), Target::Host(1)]);
        assert_eq!(targets(&old), targets(&new));
    }

    #[test]
    fn host_ports_are_counted_over_the_mappings_that_have_one() {
        let mappings = json!([
            {"containerPort": 80}, {"containerPort": 81, "hostPort": 0},
            {"containerPort": 0}, {"containerPort": 0, "hostPort": 31000}
        ]);
        let expected = [
            Target::Task(80),
            Target::Host(0),
            Target::Nowhere,
            Target::Host(1),
        ];
        let new = json!({"networks": [{"name": "dcos"}], "container": {"portMappings": mappings}});
        let old = json!({"container": {"docker": {"network": "USER", "portMappings": mappings}}, "ipAddress": {}});
        assert_eq!(targets(&new), expected);
        assert_eq!(targets(&old), expected);
    }

    #[test]
    fn a_legacy_address_per_task_announces_ports() {
        let app = json!({"ipAddress": {"discovery": {"ports": [{"number": 8080}, {"number": 0}]}}});
        assert_eq!(targets(&app), [Target::Task(8080), Target::Nowhere]);
    }

    #[test]
    fn the_new_shape_decides_over_the_old_one() {
        let app = json!({
            "networks": [{"mode": "host"}], "portDefinitions": [{}],
            "container": {"docker": {"network": "BRIDGE", "portMappings": [{}, {}]}}
        });
        assert_eq!(targets(&app), [Target::Host(0)]);
    }
}

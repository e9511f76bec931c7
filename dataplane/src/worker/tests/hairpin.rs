//! Clients on the backends' own segment, which would be answered past Viaduct.

use super::*;
use crate::table::Mode;

/// A request and its answer: the request as the backend sees it.
fn there_and_back(rig: &mut Rig, client: End, vip: End) -> Seen {
    let request = seen(&rig.exchange(0, &udp(client, vip, b"ping")));
    let (from, to) = reply_ends(&request);
    let reply = seen(&rig.exchange(0, &udp(from, to, b"pong")));
    assert_eq!(reply.ends, [vip.1, client.1]);
    assert_eq!(reply.macs, [client.0, OURS]);
    request
}

#[test]
fn a_client_on_the_backends_segment_is_translated() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| [(net, Mode::Nat), (net, Mode::Gateway)])
    {
        let mut rig = wide_rig(1, &policy(mode));
        let request = there_and_back(&mut rig, net.near_client(4000), net.vip());
        assert_eq!(request.ends[0].ip(), net.snat(), "{mode:?}");
    }
}

#[test]
fn a_backend_is_a_client_of_its_own_service() {
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| [(net, Mode::Nat), (net, Mode::Gateway)])
    {
        let table = wide_table(&policy(mode), &[(1, 1)]);
        let mut rig = Setup::new(wide_network(1), table).rig();
        let backend = (
            station(net.backend(1).ip()),
            (net.backend(1).ip(), 4000).into(),
        );
        let request = there_and_back(&mut rig, backend, net.vip());
        assert_eq!(request.ends, [request.ends[0], net.backend(1)]);
        assert_eq!(request.ends[0].ip(), net.snat(), "{mode:?}");
        assert_eq!(request.macs, [backend.0, OURS]);
    }
}

#[test]
fn a_backend_in_direct_return_is_a_client_of_its_own_service() {
    for net in Net::ALL {
        let table = wide_table(&policy(Mode::Dsr), &[(1, 1)]);
        let mut rig = Setup::new(wide_network(1), table).rig();
        let backend = (
            station(net.backend(1).ip()),
            (net.backend(1).ip(), 4000).into(),
        );
        let request = seen(&rig.exchange(0, &udp(backend, net.vip(), b"ping")));
        assert_eq!(request.ends, [backend.1, net.vip().1]);
        assert_eq!(request.macs, [backend.0, OURS]);
    }
}

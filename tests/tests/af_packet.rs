//! The main scenarios over AF_PACKET on an end of a veth pair.
//!
//! ```text
//!   client1 ── br0 ── vdbr ══ vdport ── Viaduct (AF_PACKET) ── the services of each scenario on agent1, …
//! ```

mod scenarios;

use viaduct_tests::attachment::Attachment;
use viaduct_tests::fabric::Fabric;
use viaduct_tests::peers::load;
use viaduct_tests::stage::Stage;

const OVER: Attachment = Attachment::AfPacket;

#[test]
fn every_backend_gets_its_share_of_new_connections() {
    scenarios::spread::every_backend_gets_its_share_of_new_connections(OVER);
}

#[test]
fn a_hundred_mebibytes_arrive_both_ways() {
    scenarios::transfer::a_hundred_mebibytes_arrive_both_ways(OVER);
}

#[test]
fn udp_and_tcp_are_served_on_one_port() {
    scenarios::udp::udp_and_tcp_are_served_on_one_port(OVER);
}

#[test]
fn sigterm_ends_it_in_time_and_nothing_is_left() {
    scenarios::shutdown::sigterm_ends_it_in_time_and_nothing_is_left(OVER);
}

#[test]
fn two_workers_share_the_interface() {
    let fabric = Fabric::with(OVER, 1, 2);
    let stage = Stage::web_on(fabric, 2, |settings| settings.cores(&[0, 1]));
    let words = format!(
        "--target {} --connections 50 --requests 10",
        stage.web_target()
    );
    let report = load(&stage.fabric.clients[0], &words);
    assert_eq!((report.sums.ok, report.sums.failed()), (500, 0), "{report}");
    for worker in ["0", "1"] {
        let received = stage
            .viaduct
            .metric("viaduct_packets_received_total", &[("worker", worker)]);
        assert!(received > 0.0, "worker {worker} got nothing");
    }
}

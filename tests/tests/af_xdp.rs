//! The main scenarios over AF_XDP on an end of a veth pair.
//!
//! ```text
//!   client1 ── br0 ── vdbr ══ vdport ── Viaduct (AF_XDP) ── the services of each scenario on agent1, …
//! ```

mod scenarios;

use viaduct_tests::attachment::Attachment;
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::peers::load;
use viaduct_tests::settings::Settings;
use viaduct_tests::stage::Stage;
use viaduct_tests::viaduct::Viaduct;

const OVER: Attachment = Attachment::AfXdp;

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
fn a_lost_link_is_told_and_withdraws_the_host() {
    let stage = Stage::web_over(OVER, 1, 1);
    let port = [("port", "fabric")];
    assert_eq!(
        stage.viaduct.metrics().value("viaduct_port_up", &port),
        Some(1.0)
    );
    stage.fabric.namespace.ip("link set vdbr down");
    eventually("the lost link", || {
        let text = stage.viaduct.readiness();
        let told = text.contains("[-] port fabric: link is down: no carrier");
        expect(told && text.ends_with("not ready\n"), || text)
    });
    assert_eq!(
        stage.viaduct.metrics().value("viaduct_port_up", &port),
        Some(0.0)
    );
    assert!(
        stage.viaduct.log().contains("link is down"),
        "{}",
        stage.viaduct.log()
    );
    stage.fabric.namespace.ip("link set vdbr up");
    eventually("the link", || {
        let text = stage.viaduct.readiness();
        expect(text.ends_with("\nready\n"), || text)
    });
    let words = format!(
        "--target {} --connections 4 --requests 5",
        stage.web_target()
    );
    let report = load(&stage.fabric.clients[0], &words);
    assert_eq!((report.sums.ok, report.sums.failed()), (20, 0), "{report}");
}

#[test]
fn too_many_workers_for_the_interface_say_what_to_set() {
    let fabric = Fabric::with(OVER, 0, 0);
    let settings = Settings::default().marathon("http://10.99.0.1:8080");
    let mut viaduct = Viaduct::spawn(&fabric, settings.cores(&[0, 1]));
    eventually("the refusal", || {
        expect(
            viaduct.log().contains("use fewer CPUs in workers.cores"),
            || viaduct.log(),
        )
    });
    viaduct.signal("TERM");
}

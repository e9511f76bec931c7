//! SIGTERM: Viaduct ends within two seconds, under load too, leaves nothing, and starts again.

use viaduct_tests::attachment::Attachment;
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Fabric;
use viaduct_tests::peers::{Load, load};
use viaduct_tests::settings::Settings;
use viaduct_tests::stage::Stage;
use viaduct_tests::viaduct::Viaduct;

pub(crate) fn sigterm_ends_it_in_time_and_nothing_is_left(over: Attachment) {
    let mut stage = Stage::web_over(over, 2, 2);
    let client = stage.fabric.clients[0].clone();
    let words = format!(
        "--target {} --connections 20 --timeout 1s",
        stage.web_target()
    );
    let mut running = Load::start(
        &stage.fabric,
        &client,
        "load",
        &format!("{words} --duration 6s --interval 5ms"),
    );
    let before = load(&client, &format!("{words} --requests 5"));
    assert_eq!((before.sums.ok, before.sums.failed()), (100, 0), "{before}");
    assert!(over.is_held(&stage.fabric.namespace));
    running.assert_runs();
    stage.viaduct.stop();
    over.assert_released(&stage.fabric.namespace);
    assert!(
        !stage.viaduct.socket().exists(),
        "the API's socket is still there"
    );
    assert!(
        !stage.fabric.namespace.is_listening("udp", 53),
        "DNS is still there"
    );
    assert!(running.finish().sums.ok > 0);

    let settings = Settings::default().marathon(&stage.marathon.url());
    stage.viaduct = Viaduct::start(&stage.fabric, settings);
    stage
        .viaduct
        .wait_for_backends("tcp", viaduct_tests::stage::WEB_PORT, 2);
    let report = load(&client, &format!("{words} --requests 5"));
    assert_eq!((report.sums.ok, report.sums.failed()), (100, 0), "{report}");
}

pub(crate) fn sigterm_before_the_first_read_ends_it_too(over: Attachment) {
    let fabric = Fabric::with(over, 0, 0);
    let settings = Settings::default().marathon("http://10.99.0.1:8080");
    let mut viaduct = Viaduct::spawn(&fabric, settings);
    eventually("the port", || {
        let there = over.is_held(&fabric.namespace);
        expect(there, || viaduct.log())
    });
    eventually("the API", || {
        let answered = viaduct.cli(&["vips"]).status.success();
        expect(answered, || viaduct.log())
    });
    viaduct.stop();
    over.assert_released(&fabric.namespace);
}

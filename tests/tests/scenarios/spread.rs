//! New connections are spread over all backends of a service.

use viaduct_tests::attachment::Attachment;
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::peers::load;
use viaduct_tests::stage::{Stage, WEB_PORT};

pub(crate) fn every_backend_gets_its_share_of_new_connections(over: Attachment) {
    let stage = Stage::web_over(over, 3, 3);
    let words = format!(
        "--target {} --one-shot --connections 8 --requests 75",
        stage.web_target()
    );
    let report = load(&stage.fabric.clients[0], &words);
    assert_eq!((report.sums.ok, report.sums.failed()), (600, 0), "{report}");
    // 200 each are expected with a standard deviation of 11.5; half of that never happens.
    for server in &stage.servers {
        assert!(report.answers_of(&server.id) > 100, "{report}");
    }
    eventually("the flows", || {
        let service = stage.viaduct.wait_for_backends("tcp", WEB_PORT, 3);
        let backends = service.backends.iter();
        let flows: u64 = backends.map(|backend| backend.flows_total).sum();
        expect(flows == 600, || format!("{flows} flows: {service:?}"))
    });
}

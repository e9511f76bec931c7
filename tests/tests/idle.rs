//! A stream of events that is silent for longer than its service's idle timeout.
//!
//! ```text
//!   client1 (curl) ── Viaduct: 192.0.2.10:80, idle after 2 s ── agent1 (event-stream)
//! ```
//! Where Viaduct sees both sides, it tells both that the connection has ended. Where replies do
//! not pass it, nothing was lost with the flow: the next packet goes to the same backend.

use std::net::SocketAddr;

use viaduct_tests::addressing::{Family, vip};
use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::{Fabric, Host};
use viaduct_tests::forwarding::{Mode, Prepared, backends, prepare, settings};
use viaduct_tests::peers::{self, Peer};
use viaduct_tests::process::Background;
use viaduct_tests::scene::Scene;
use viaduct_tests::services::Entry;

/// What curl says of a connection that was reset.
const CURL_RESET: i32 = 56;

struct Silence {
    scene: Scene,
    target: SocketAddr,
    agent: Host,
    stream: Background,
    _peers: (Prepared, Peer),
}

/// A stream that has said hello and is silent, with this idle timeout.
fn silence(mode: Mode, family: Family, timeout: &str) -> Silence {
    let fabric = Fabric::dual_stack(1, 1).with_vip_routes();
    let agent = backends(&fabric, mode).swap_remove(0);
    let target = SocketAddr::from((vip(family), 80));
    let prepared = prepare(&fabric, &agent, mode, &[target.ip()]);
    let events = peers::event_stream_at(&fabric, &agent, &prepared.listen, 80);
    let entry = Entry::new(target.ip(), 80, "tcp")
        .backend(agent.at(family), 80)
        .set("mode", mode.to_string())
        .timeout("tcp_established", timeout);
    let scene = Scene::with(fabric, &[entry], |s| settings(s, mode));
    scene.wait(target, "tcp", 1);
    let mut command = scene.fabric.clients[0].namespace.command("curl");
    command.args(["-sSgN", &format!("http://{target}/events")]);
    let stream = Background::start("stream", command, &scene.fabric.logs());
    eventually("the stream to be open", || {
        expect(stream.log().contains("data: hello"), || stream.log())
    });
    Silence {
        scene,
        target,
        agent,
        stream,
        _peers: (prepared, events),
    }
}

impl Silence {
    fn flows(&self) -> u64 {
        self.scene.viaduct.active_flows(self.target, "tcp")
    }

    fn wait_until_forgotten(&self) {
        eventually("the flow to be forgotten", || {
            expect(self.flows() == 0, || format!("{} flows", self.flows()))
        });
    }

    /// Lets the server say a word from its own side, and returns how many streams it has.
    fn emit(&self, word: &str, at: std::net::IpAddr) -> String {
        let url = format!("http://{}/emit", SocketAddr::from((at, 80)));
        let words = ["curl", "-sSgf", "-d", word, &url];
        self.agent.namespace.run(words).trim().to_owned()
    }

    fn wait_for(&self, word: &str) {
        let wanted = format!("data: {word}\n");
        eventually(&wanted, || {
            let log = self.stream.log();
            expect(log.contains(&wanted), || log.clone())
        });
    }
}

fn both_sides_are_told(mode: Mode) {
    for family in Family::ALL {
        let mut silence = silence(mode, family, "2s");
        silence.wait_until_forgotten();
        let status = silence.stream.wait(viaduct_tests::eventually::DEADLINE);
        let code = status.and_then(|status| status.code());
        assert_eq!(
            code,
            Some(CURL_RESET),
            "{mode}, {family}: {}",
            silence.stream.log()
        );
        eventually("the server to hear of it", || {
            let streams = silence.emit("anybody", silence.agent.at(family));
            expect(streams == "0", || format!("{streams} streams"))
        });
    }
}

fn the_stream_goes_on(mode: Mode) {
    for family in Family::ALL {
        let silence = silence(mode, family, "2s");
        silence.wait_until_forgotten();
        for word in ["first", "second", "third"] {
            assert_eq!(
                silence.emit(word, silence.target.ip()),
                "1",
                "{mode}, {family}"
            );
            silence.wait_for(word);
        }
    }
}

#[test]
fn nat_tells_both_sides() {
    both_sides_are_told(Mode::Nat);
}

#[test]
fn gateway_tells_both_sides() {
    both_sides_are_told(Mode::Gateway);
}

#[test]
fn dsr_goes_on() {
    the_stream_goes_on(Mode::Dsr);
}

#[test]
fn ipip_goes_on() {
    the_stream_goes_on(Mode::Ipip);
}

#[test]
fn gue_goes_on() {
    the_stream_goes_on(Mode::Gue);
}

#[test]
fn a_stream_within_its_timeout_goes_on() {
    let silence = silence(Mode::Nat, Family::V4, "1h");
    eventually("the flow to be seen", || {
        expect(silence.flows() == 1, || {
            format!("{} flows", silence.flows())
        })
    });
    assert_eq!(silence.emit("word", silence.agent.at(Family::V4)), "1");
    silence.wait_for("word");
}

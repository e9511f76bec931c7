//! Looking inside: what `flows`, `neighbors`, `trace` and `capture` show is what happens.
//!
//! ```text
//!   client1 ── br0 ── Viaduct: my-service:5555 ──┬── agent1 (nginx)
//!                                                └── agent2 (nginx)
//! ```

use viaduct_tests::eventually::{eventually, expect};
use viaduct_tests::fabric::Host;
use viaduct_tests::inspect::{Capture, Captured, json, step};
use viaduct_tests::stage::{Stage, TASK_PORT};

/// The answer of the service to a request from this port.
fn request(client: &Host, source_port: u16, target: &str) -> String {
    let (port, url) = (source_port.to_string(), format!("http://{target}/id"));
    let words = ["curl", "-sS", "-m", "10", "--local-port", &port, &url];
    client.namespace.run(words).trim().to_owned()
}

/// A request to a port where nothing listens.
fn request_in_vain(client: &Host, target: &str) {
    let url = format!("http://{target}/");
    let refused = client.namespace.output(["curl", "-sS", "-m", "10", &url]);
    assert!(!refused.status.success(), "{target} answers");
}

#[test]
fn what_is_foretold_happens_and_is_shown() {
    let stage = Stage::web_with(2, 2, |settings| settings.cores(&[0, 1]));
    let (viaduct, client) = (&stage.viaduct, &stage.fabric.clients[0]);
    let target = stage.web_target().to_string();
    let mut served = Vec::new();
    for port in 40_000..40_008 {
        let source = format!("{}:{port}", client.address);
        let trace = json(viaduct, &["trace", "packet", "tcp", &source, &target]);
        let backend = step(&trace, "backend")["address"].clone();
        assert_eq!(
            json(viaduct, &["flows", "--client", &source]),
            serde_json::json!([])
        );

        let responder = request(client, port, &target);
        let agents = stage.fabric.agents.iter();
        let agent = agents
            .clone()
            .find(|agent| responder.starts_with(&agent.name));
        let agent = agent.unwrap_or_else(|| panic!("who is {responder}?"));
        assert_eq!(
            backend,
            format!("{}:{TASK_PORT}", agent.address),
            "{trace:#}"
        );

        let flows = json(viaduct, &["flows", "--client", &source]);
        let flow = &flows[0];
        assert_eq!(
            (&flow["backend"], &flow["vip"]),
            (&backend, &target.as_str().into())
        );
        let trace = json(
            viaduct,
            &["trace", "packet", "tcp", &source, &target, "--flags", "A"],
        );
        assert_eq!(step(&trace, "flow")["flow"]["backend"], backend);

        let neighbors = json(viaduct, &["neighbors"]);
        let link = agent.namespace.ip("-o link show eth0");
        let mac = link
            .split_whitespace()
            .skip_while(|word| *word != "link/ether")
            .nth(1);
        let is_agent = |n: &&serde_json::Value| n["address"] == agent.address.to_string();
        let known = neighbors.as_array().into_iter().flatten().find(is_agent);
        let known = known.unwrap_or_else(|| panic!("{} is not in {neighbors:#}", agent.name));
        assert_eq!(
            (&known["state"], known["mac"].as_str()),
            (&"reachable".into(), mac)
        );
        served.push(responder);
    }
    let backend = format!("{}:{TASK_PORT}", stage.fabric.agents[0].address);
    let of_first = json(
        viaduct,
        &["flows", "--backend", &backend, "--protocol", "tcp"],
    );
    let count = served
        .iter()
        .filter(|who| **who == stage.servers[0].id)
        .count();
    assert_eq!(
        of_first.as_array().map(Vec::len),
        Some(count),
        "{served:?}: {of_first:#}"
    );
    let all = viaduct.cli(&["flows", "--count"]);
    assert_eq!(String::from_utf8_lossy(&all.stdout).trim(), "8");
}

#[test]
fn refusals_have_their_reasons_and_questions_too() {
    let stage = Stage::web(1, 1);
    let viaduct = &stage.viaduct;
    let vip = stage.web_target().ip();
    let source = format!("{}:40000", stage.fabric.clients[0].address);
    for (destination, verdict, reason) in [
        (format!("{vip}:5556"), "refuse", "no_service"),
        ("192.0.2.1:80".to_owned(), "drop", "not_local"),
    ] {
        let trace = json(viaduct, &["trace", "packet", "tcp", &source, &destination]);
        let end = step(&trace, "verdict");
        assert_eq!(
            (&end["verdict"], &end["reason"]),
            (&verdict.into(), &reason.into())
        );
        assert!(
            end["explanation"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    let before = viaduct.metric("viaduct_drops_total", &[("reason", "no_service")]);
    assert!(before.abs() < f64::EPSILON, "an explanation was counted");
    let over_tcp = stage.fabric.namespace.get("http://127.0.0.1:9100/v1/flows");
    let answer = over_tcp.expect_err("only the socket shows clients");
    assert!(answer.contains("404"), "{answer}");
    for (words, code, said) in [
        (
            &["flows", "--state", "open"][..],
            2,
            "`open` is not the state",
        ),
        (&["trace", "frame", "abc"], 2, "hexadecimal"),
        (
            &["capture", "-w", "/nonexistent/x", "tcp"],
            1,
            "/nonexistent/x",
        ),
        (&["trace", "next", "prot", "80"], 2, "`prot` is not a word"),
        (
            &["capture", "-w", "-", "on", "eth7"],
            2,
            "the ports are fabric",
        ),
    ] {
        let output = viaduct.cli(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {error}");
        assert!(error.contains(said), "{words:?}: {error}");
    }
}

#[test]
fn captures_show_packets_with_what_became_of_them() {
    let stage = Stage::web(1, 1);
    let (viaduct, client) = (&stage.viaduct, &stage.fabric.clients[0]);
    let target = stage.web_target();
    let mut capture = Capture::start(viaduct, &stage.fabric, "all", &["tcp"]);
    let second = viaduct.cli(&["trace", "next", "tcp"]);
    let error = String::from_utf8_lossy(&second.stderr);
    assert!(
        error.contains("another capture or trace is running"),
        "{error}"
    );

    let backend = format!("{}:{TASK_PORT}", stage.fabric.agents[0].address);
    assert_eq!(
        request(client, 40_000, &target.to_string()),
        stage.servers[0].id
    );
    request_in_vain(client, &format!("{}:5556", target.ip()));
    let service = format!("{target}/tcp");
    let of_flow = [
        ("service", service.as_str()),
        ("backend", &backend),
        ("mode", "nat"),
    ];
    let packets = eventually("all packets", || {
        let packets = capture.packets()?;
        let has = |pairs: &[(&str, &str)], of_flow: &[(&str, &str)]| {
            let found = packets
                .iter()
                .any(|packet| packet.is(pairs) && packet.is(of_flow));
            expect(found, || format!("no {pairs:?} in {packets:#?}"))
        };
        for direction in ["to-backend", "to-client"] {
            for point in ["rx", "tx"] {
                let pairs = [
                    ("point", point),
                    ("verdict", "forward"),
                    ("direction", direction),
                ];
                has(&pairs, &of_flow)?;
            }
        }
        has(&[("point", "drop"), ("reason", "no_service")], &[])?;
        Ok(packets)
    });
    let refused = packets
        .iter()
        .find(|packet| packet.is(&[("point", "drop")]));
    assert!(refused.is_some_and(|packet| packet.comment.contains("no service has this port")));
    for packet in &packets {
        assert_eq!(packet.interface, "fabric");
        assert_eq!(packet.inbound, !packet.is(&[("point", "tx")]), "{packet:?}");
        let (address, at) = (hex(&target.ip().to_string()), packet.frame.get(24..28));
        assert!(at == Some("0800") && packet.length * 2 == packet.frame.len());
        let to_vip = packet.frame[60..68] == address;
        let arrives = packet.is(&[("point", "rx"), ("direction", "to-backend")]);
        assert!(to_vip || !arrives, "{packet:?}");
    }
    assert!(
        packets
            .windows(2)
            .all(|pair| pair[0].seconds <= pair[1].seconds + 1.0)
    );
    // A client that goes ends its capture, and the file is whole.
    capture.process.kill();
    assert!(
        capture
            .packets()
            .is_ok_and(|now| now.len() >= packets.len())
    );
    let next = eventually("the first capture to end", || {
        let next = viaduct.cli(&["trace", "next", "icmp", "--seconds", "1"]);
        let text = String::from_utf8_lossy(&next.stdout).into_owned();
        expect(next.status.success(), || {
            String::from_utf8_lossy(&next.stderr).into_owned()
        })?;
        Ok(text)
    });
    assert_eq!(next.trim(), "0 packets, 0 records lost");
}

#[test]
fn captures_end_after_as_many_packets_as_were_asked_for() {
    let stage = Stage::web_with(1, 1, |settings| settings.cores(&[0, 1]));
    let client = &stage.fabric.clients[0];
    let vip = stage.web_target().ip().to_string();
    let words = [
        "-n", "3", "--points", "rx,tx", "icmp", "and", "dst", "host", &vip,
    ];
    let mut capture = Capture::start(&stage.viaduct, &stage.fabric, "three", &words);
    client
        .namespace
        .run(["ping", "-c", "9", "-i", "0.05", &vip]);
    let status = capture.process.wait(viaduct_tests::eventually::DEADLINE);
    assert!(
        status.is_some_and(|status| status.success()),
        "{}",
        capture.process.log()
    );
    let packets = capture
        .packets()
        .unwrap_or_else(|reason| panic!("{reason}"));
    let at = |point: &str| {
        let is_at = |packet: &&Captured| packet.is(&[("point", point), ("verdict", "reply")]);
        packets.iter().filter(is_at).count()
    };
    assert_eq!(
        (at("rx"), at("tx"), packets.len()),
        (3, 3, 6),
        "{packets:#?}"
    );
}

#[test]
fn a_running_capture_does_not_keep_viaduct_from_stopping() {
    let mut stage = Stage::web(1, 1);
    let mut capture = Capture::start(&stage.viaduct, &stage.fabric, "last", &["tcp"]);
    stage.viaduct.stop();
    let status = capture.process.wait(viaduct_tests::eventually::DEADLINE);
    assert!(
        status.is_some_and(|status| status.success()),
        "{}",
        capture.process.log()
    );
    assert!(capture.packets().is_ok_and(|packets| packets.is_empty()));
}

fn hex(address: &str) -> String {
    let octets = address
        .split('.')
        .map(|octet| octet.parse().expect("an octet"));
    octets.map(|octet: u8| format!("{octet:02x}")).collect()
}

//! Names of VIPs: which exist, and what they answer to each kind of question.
//!
//! ```text
//!   client1 ── dig @10.99.0.1 ── Viaduct ── Marathon (stand-in)
//! ```
#![allow(clippy::unwrap_used)]

use viaduct_tests::dns::{ZONE, ask};
use viaduct_tests::stage::{Stage, WEB_NAME};

#[test]
fn a_name_answers_as_the_protocol_asks() {
    let stage = Stage::web(1, 1);
    let client = &stage.fabric.clients[0];
    let address = stage.web_target().ip();
    let name = format!("{WEB_NAME}.{ZONE}");
    let loud = name.to_uppercase();
    for (name, options) in [
        (&name, &[][..]),
        (&name, &["+tcp"]),
        (&loud, &["+bufsize=1232"]),
    ] {
        let answer = ask(client, name, "A", options).unwrap();
        assert_eq!(answer.status, "NOERROR", "{answer:?}");
        assert_eq!(answer.addresses(), [address], "{answer:?}");
        assert!(answer.flags.contains(&"aa".to_owned()), "{answer:?}");
    }
    let none = ask(client, &name, "AAAA", &[]).unwrap();
    assert_eq!(
        (none.status.as_str(), none.records.len()),
        ("NOERROR", 0),
        "{none:?}"
    );
    assert!(none.authority[0].contains("SOA"), "{none:?}");
    let unknown = ask(client, &format!("nobody.marathon.{ZONE}"), "A", &[]).unwrap();
    assert_eq!(unknown.status, "NXDOMAIN", "{unknown:?}");
    assert!(unknown.authority[0].contains("SOA"), "{unknown:?}");
    let foreign = ask(client, "www.example.com", "A", &[]).unwrap();
    assert_eq!(foreign.status, "REFUSED", "{foreign:?}");
}

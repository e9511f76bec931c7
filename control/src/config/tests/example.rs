//! The example file and whether it is complete.

use super::*;

const EXAMPLE: &str = include_str!("../../../../docs/viaduct.toml");

#[test]
fn the_example_has_the_defaults_for_all_keys_that_have_one() {
    let example = parse(EXAMPLE).expect("the example is valid");
    assert!(
        example.warnings.is_empty(),
        "{:?}",
        lines(&example.warnings)
    );
    let example = example.config;
    let required = r#"
        ports = [{ name = "fabric", driver = "tap", interface = "dtap0", bridge = "br0", address = "10.99.0.2/24", gateway = "10.99.0.1" }]
        nat = { addresses = ["10.99.0.3"] }
        dns = { listen = ["10.99.0.1:53"] }
        sources = { marathon = { urls = ["http://10.99.0.1:8080"] }, file = {} }
    "#;
    assert_eq!(example, parse(required).expect("valid").config);
}

/// The keys that the reader knows in a table, from what it says of one that it does not know.
/// `{}` in `text` is where the table's keys go.
fn known_keys(text: &str) -> Vec<String> {
    let error = parse(&text.replace("{}", "no_such_key = 1")).expect_err("unknown key");
    let expected = &error.findings()[0].expected;
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The lines of a table of the example, up to the next table.
fn example_table(header: &str) -> &'static str {
    let (_, rest) = EXAMPLE.split_once(&format!("\n{header}\n")).expect(header);
    rest.split("\n[").next().unwrap_or(rest)
}

#[test]
fn the_example_mentions_every_key_of_tables_in_ports() {
    let port = "[[ports]]\nname = \"x\"\ndriver = \"ring\"\n";
    let (_, vlan) = EXAMPLE.split_once("\n# [[ports.vlans]]\n").expect("there");
    for key in known_keys(&format!("{port}[[ports.vlans]]\n{{}}")) {
        let mentioned = |line: &str| line.starts_with(&format!("# {key} = "));
        assert!(
            vlan.lines()
                .take_while(|line| !line.is_empty())
                .any(mentioned),
            "no {key}"
        );
    }
    for key in known_keys(&format!("{port}[ports.host]\n{{}}")) {
        assert!(EXAMPLE.contains(&format!("host = {{ {key} = ")), "no {key}");
    }
}

#[test]
fn the_example_mentions_every_key() {
    let sections = known_keys("{}");
    assert_eq!(sections.len(), 13, "{sections:?}");
    for section in sections {
        let headers = match section.as_str() {
            "ports" => vec!["[[ports]]".to_owned()],
            "sources" => known_keys("[sources]\n{}")
                .iter()
                .map(|s| format!("[sources.{s}]"))
                .collect(),
            name => vec![format!("[{name}]")],
        };
        for header in headers {
            let table = example_table(&header);
            for key in known_keys(&format!("{header}\n{{}}")) {
                if header == "[[ports]]" && key == "vlans" {
                    continue; // a table of its own, tested above
                }
                let mentioned = |line: &str| {
                    line.trim_start_matches("# ")
                        .starts_with(&format!("{key} = "))
                };
                assert!(
                    table.lines().any(mentioned),
                    "docs/viaduct.toml has no {key} in {header}"
                );
            }
        }
    }
}

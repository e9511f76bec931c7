//! What is no TOML, or TOML of another shape.

use super::*;

#[test]
fn structural_errors_say_where_what_and_how() {
    for (text, place, parts) in [
        (
            with("name = ", "nmae = "),
            "3:1",
            &["unknown field `nmae`", "did you mean `name`?"][..],
        ),
        (
            plus("[wrokers]"),
            "12:2",
            &["unknown field `wrokers`", "did you mean `workers`?"],
        ),
        (
            plus("[log]\nxyzzy = 1"),
            "13:1",
            &["unknown field `xyzzy`", "docs/viaduct.toml lists"],
        ),
        (
            with("\"tap\"", "\"tpa\""),
            "4:10",
            &["unknown variant `tpa`", "did you mean `tap`?"],
        ),
        (
            with("/24", ""),
            "6:11",
            &[
                "`10.99.0.2` has no prefix length",
                "such as \"10.99.0.2/24\"",
            ],
        ),
        (
            with("address = \"10.99.0.2/24\"", "neighbors = { x = \"y\" }"),
            "6:15",
            &["`x` is not an IP address", "fd00:99::1"],
        ),
        (
            with("address = \"10.99.0.2/24\"", "mac = \"01:00:5e:00:00:01\""),
            "6:7",
            &["is a group's address", "02:00:00:00:00:07"],
        ),
        (
            with("/24\"", "/24\"\ngateway = 7"),
            "7:11",
            &[
                "invalid type: integer `7`",
                "an address in quotes, or a list",
            ],
        ),
        (
            with("/24\"", "/24\"\n[[ports.vlans]]\nid = 0"),
            "8:6",
            &["`0` is not a VLAN identifier"],
        ),
        (
            with("\"10.99.0.2/24\"", "[\"10.99.0.2/24\", \"fd00::2\"]"),
            "6:28",
            &["`fd00::2` has no prefix length"],
        ),
        (
            plus("[workers]\nidle_max_sleep = \"200\""),
            "13:18",
            &["`200` is not a length of time", "\"200us\""],
        ),
        (
            plus("[workers]\nflows = \"many\""),
            "13:9",
            &["invalid type: string \"many\""],
        ),
        (
            plus("[workers]\ncores = []"),
            "13:9",
            &["the list of CPUs is empty", "such as [1]"],
        ),
        (
            plus("[memory]\nsize = \"1 MeB\""),
            "13:8",
            &["`1 MeB` is not a size", "\"512 MiB\""],
        ),
        (
            plus("[vips]\npool = \"11.0.0.0\""),
            "13:8",
            &["`11.0.0.0` is not a range of addresses"],
        ),
        (
            plus("[vips]\npool6 = \"11.0.0.0-11.0.0.9\""),
            "13:9",
            &["`11.0.0.0-11.0.0.9` is not a range of addresses", "IPv6"],
        ),
        (
            plus("[services]\nmode = \"got\""),
            "13:8",
            &["unknown variant `got`", "| write one of `nat`, `gateway`"],
        ),
        (
            plus("[services]\non_removal = \"resett\""),
            "13:14",
            &["unknown variant `resett`", "did you mean `reset`?"],
        ),
        (
            plus("[services]\nno_backend = 7"),
            "13:14",
            &["invalid type | expected a word in quotes"],
        ),
        (plus("[services]\nflows = -1"), "13:9", &["`-1`"]),
        (
            plus("[services]\nallow = [\"10.0.0.0/8\", \"10.0.0.1/8\"]"),
            "13:24",
            &["`10.0.0.1/8` is an address inside the prefix 10.0.0.0/8"],
        ),
        (
            plus("[vips]\nzone = \"a..b\""),
            "13:8",
            &["`a..b` is not a domain name"],
        ),
        (
            plus("[dns2]\n"),
            "12:2",
            &["unknown field `dns2`", "did you mean `dns`?"],
        ),
        (
            plus("[api]\nhttp = \"localhost\""),
            "13:8",
            &["invalid socket address"],
        ),
        (
            with("name = \"fabric\"", "vlan = 4095"),
            "3:8",
            &["`4095` is not a VLAN identifier", "1 to 4094"],
        ),
        (
            with("listen = [\"10.99.0.1:53\"]", "listen = [\"10.99.0.1\"]"),
            "11:11",
            &["invalid socket address"],
        ),
        (
            with(
                "[sources.file]",
                "[sources.marathon]\nurls = [\"zk://a:2181\"]",
            ),
            "10:9",
            &["not an http or https URL"],
        ),
    ] {
        assert_finding(&errors(&text), place, parts);
    }
}

#[test]
fn all_syntax_errors_are_reported_at_once() {
    let found = errors("[workers\ncores = [1]\n[log]\nlevel = info\n");
    assert!(found.len() >= 2, "{found:#?}");
    assert!(found[0].starts_with("1:9 "), "{found:#?}");
    assert!(
        found.last().is_some_and(|last| last.starts_with("4:9 ")),
        "{found:#?}"
    );
}

#[test]
fn columns_count_characters() {
    let found = errors(&with("name = \"fabric\"", "name = \"äöü\"; x = 1"));
    assert!(found[0].starts_with("3:13 "), "{found:#?}");
}

//! What has the right shape and makes no sense.

use super::*;

#[test]
fn semantic_errors_say_where_what_and_how() {
    let tap = "name = \"fabric\"\ndriver = \"tap\"\ninterface = \"dtap0\"";
    let second = |lines: &str| plus(&format!("[[ports]]\naddress = \"10.98.0.2/24\"\n{lines}\n"));
    for (text, place, parts) in [
        (
            second("name = \"fabric\"\ndriver = \"tap\"\ninterface = \"dtap1\""),
            "14:8",
            &["another port is already called `fabric`"][..],
        ),
        (
            second("name = \"two\"\ndriver = \"tap\"\ninterface = \"dtap0\""),
            "16:13",
            &["another port already has the interface `dtap0`"],
        ),
        (
            with("interface = \"dtap0\"", ""),
            "2:1",
            &[
                "the tap port `fabric` has no interface",
                "add interface = \"dtap0\"",
            ],
        ),
        (
            with(tap, "name = \"x\"\ndriver = \"pci\"\n"),
            "2:1",
            &["the pci port `x` has no device", "0000:03:00.0"],
        ),
        (
            with(tap, "name = \"x\"\ndriver = \"vdev\"\n"),
            "2:1",
            &["the vdev port `x` has no device", "net_af_packet0"],
        ),
        (
            with("\"dtap0\"", "\"a-name-of-16-byt\""),
            "5:13",
            &["too long for a network interface", "at most 15 bytes"],
        ),
        (
            with("\"dtap0\"", "\"d/tap\""),
            "5:13",
            &["cannot be a network interface's name"],
        ),
        (
            with("name = \"fabric\"", "name = \"\""),
            "3:8",
            &["the port's name is empty"],
        ),
        (
            with("[nat]", "gateway = \"10.98.0.1\"\n[nat]"),
            "7:11",
            &["the gateway 10.98.0.1 is not a host in the port's subnet 10.99.0.0/24"],
        ),
        (
            with("[nat]", "gateway = \"10.99.0.255\"\n[nat]"),
            "7:11",
            &["is not a host in the port's subnet"],
        ),
        (
            with("[nat]", "gateway = \"10.99.0.2\"\n[nat]"),
            "7:11",
            &["is the port's own address"],
        ),
        (
            with("[nat]", "mtu = 9217\n[nat]"),
            "7:7",
            &["an MTU of 9217 is out of range", "576 to 9216"],
        ),
        (
            with("[nat]", "mtu = 575\n[nat]"),
            "7:7",
            &["an MTU of 575 is out of range"],
        ),
        (
            with("10.99.0.2/24", "10.99.0.0/24"),
            "6:11",
            &["10.99.0.0 is not a host's address in 10.99.0.0/24"],
        ),
        (
            with("\"10.99.0.3\"", "\"10.99.0.2\""),
            "8:14",
            &["is already the address of the port `fabric`"],
        ),
        (
            with(
                "[nat]\naddresses = [\"10.99.0.3\"]",
                "gateway = \"10.99.0.1\"\n[nat]\naddresses = [\"10.99.0.1\"]",
            ),
            "9:14",
            &["is already the gateway of the port `fabric`"],
        ),
        (
            with("\"10.99.0.3\"", "\"10.99.0.3\", \"10.99.0.3\""),
            "8:27",
            &["10.99.0.3 is listed twice"],
        ),
        (
            with("\"10.99.0.3\"", "\"10.99.0.255\""),
            "8:14",
            &["is the network's or the broadcast address"],
        ),
        (
            with("\"10.99.0.3\"", "\"127.0.0.1\""),
            "8:14",
            &["is not one that a host can have"],
        ),
        (
            with("\"10.99.0.3\"", ""),
            "8:13",
            &["there is no source address"],
        ),
        (
            with("[nat]\naddresses = [\"10.99.0.3\"]", "\n"),
            "11:26",
            &["there is no source address", "add a [nat] table"],
        ),
        (
            with("\"10.99.0.3\"", "\"fe80::3\""),
            "8:14",
            &["fe80::3 is not one that a host can have"],
        ),
        (
            with("\"10.99.0.3\"", "\"fd00::3\", \"fd00:0::3\""),
            "8:25",
            &["fd00::3 is listed twice"],
        ),
        (
            plus("[services]\nmax_segment = 200"),
            "13:15",
            &["200 bytes is out of range (256 to 9176, or 0)"],
        ),
        (
            plus("[tunnels]\ngue_port = 0"),
            "13:12",
            &["no packet can be sent to port 0"],
        ),
        (
            plus("[workers]\nflows = 10\nhalf_open = 11"),
            "14:13",
            &["more half-open connections than the 10 flows"],
        ),
        (
            plus("[workers]\nhalf_open = 0"),
            "13:13",
            &["workers.half_open is zero"],
        ),
        (
            with(
                "[sources.file]",
                "ports = \"5000-5001\"\n[workers]\ncores = [1, 2, 3]\n[sources.file]",
            ),
            "9:9",
            &["2 source ports cannot be shared out among 3 workers"],
        ),
        (
            plus("[workers]\ncores = [1, 9]"),
            "13:13",
            &["this machine has no CPU 9", "its CPUs are 0, 1, 2, 3"],
        ),
        (
            plus("[control]\ncore = 4"),
            "13:8",
            &["this machine has no CPU 4"],
        ),
        (
            plus("[workers]\nflows = 0"),
            "13:9",
            &["workers.flows is zero"],
        ),
        (
            plus("[timeouts]\nudp = \"0s\""),
            "13:7",
            &["timeouts.udp is zero"],
        ),
        (
            plus("[memory]\nsize = \"16 MiB\""),
            "13:8",
            &[
                "16 MiB cannot hold 16384 packet buffers",
                "at least \"37 MiB\"",
            ],
        ),
        (
            with("[sources.file]\n", "\n"),
            "11:26",
            &["no source of services is configured"],
        ),
        (
            with("[sources.file]", "[sources]"),
            "9:1",
            &["no source of services is configured"],
        ),
        (
            with("[sources.file]", "[sources.marathon]\nurls = []"),
            "10:8",
            &["the list of Marathon URLs is empty"],
        ),
        (
            plus("[api]\nhttp = \"10.99.0.1:53\""),
            "13:8",
            &["10.99.0.1:53 is used twice"],
        ),
        (
            plus("[api]\nsocket = \"api.sock\""),
            "13:10",
            &["`api.sock` is not an absolute path"],
        ),
    ] {
        assert_finding(&errors(&text), place, parts);
    }
}

#[test]
fn addresses_in_the_vip_pool_are_errors() {
    let found = errors(&with("\"10.99.0.3\"", "\"10.99.0.3\", \"11.0.0.3\""));
    assert_finding(
        &found,
        "8:27",
        &["the source address 11.0.0.3 overlaps the VIP pool 11.0.0.0-11.255.255.255"],
    );
    let found = errors(&with("\"10.99.0.3\"", "\"10.99.0.3\", \"fd01:c::3\""));
    assert_finding(
        &found,
        "8:27",
        &["fd01:c::3 overlaps the VIP pool fd01:c::-", "vips.pool6"],
    );
    let found = errors(&plus("[vips]\npool = \"10.99.0.128-10.99.1.4\""));
    assert_finding(
        &found,
        "6:11",
        &["the subnet 10.99.0.0/24 overlaps the VIP pool 10.99.0.128-10.99.1.4"],
    );
}

#[test]
fn source_addresses_are_needed_by_nat_only() {
    let text = with("[nat]\naddresses = [\"10.99.0.3\"]", "\n");
    let loaded = parse(&format!("{text}[services]\nmode = \"dsr\"\n")).expect("valid");
    assert_eq!(loaded.config.nat, Nat::default());
}

#[test]
fn half_open_connections_are_a_quarter_unless_told() {
    let bound = |lines: &str| {
        parse(&plus(lines))
            .expect("valid")
            .config
            .workers
            .half_open()
    };
    assert_eq!(bound("[workers]\nflows = 100"), 25);
    assert_eq!(bound("[workers]\nflows = 1"), 1);
    assert_eq!(bound("[workers]\nflows = 100\nhalf_open = 100"), 100);
}

#[test]
fn oddities_are_warnings() {
    for (text, place, parts) in [
        (
            plus("[services]\nallow = [\"10.0.0.0/8\", \"fd00::/8\"]\ndeny = [\"fd00::/8\"]"),
            "13:24",
            &["fd00::/8 is denied, too"][..],
        ),
        (
            with("\"10.99.0.3\"", "\"192.0.2.1\""),
            "8:14",
            &["192.0.2.1 is outside every port's subnet"][..],
        ),
        (
            plus("[workers]\ncores = [2, 2]"),
            "13:13",
            &["CPU 2 shares it with another worker"],
        ),
        (
            plus("[workers]\ncores = [0]"),
            "13:10",
            &["CPU 0 shares it with the control thread"],
        ),
        (
            with("[dns]\nlisten = [\"10.99.0.1:53\"]", ""),
            "9:15",
            &["no DNS server is configured"],
        ),
        (
            with("\"10.99.0.1:53\"", "\"0.0.0.0:53\""),
            "11:11",
            &["from another address"],
        ),
    ] {
        assert_finding(&warnings(&text), place, parts);
    }
}

#[test]
fn all_semantic_errors_are_reported_at_once_in_order() {
    let text = plus("[workers]\ncores = [7, 8]\n[control]\ncore = 9\n[memory]\nmbufs = 0\n");
    let text = text.replace("\"10.99.0.3\"", "\"10.99.0.2\"");
    let places: Vec<_> = errors(&text)
        .iter()
        .map(|e| e.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(places, ["8:14", "13:10", "13:13", "15:8", "17:9"]);
}

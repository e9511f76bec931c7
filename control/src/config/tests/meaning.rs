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

/// A port with these lines instead of the minimal file's tap.
fn port(lines: &str) -> String {
    with("driver = \"tap\"\ninterface = \"dtap0\"", lines)
}

#[test]
fn every_driver_says_what_it_needs() {
    for (lines, place, parts) in [
        (
            "driver = \"af_xdp\"",
            "2:1",
            &["the af_xdp port `fabric` has no interface", "ip link"][..],
        ),
        (
            "driver = \"af_packet\"",
            "2:1",
            &["the af_packet port `fabric` has no interface"],
        ),
        (
            "driver = \"pcap\"",
            "2:1",
            &["neither files nor an interface", "rx_file = \"in.pcap\""],
        ),
        (
            "driver = \"memif\"\nrole = \"client\"",
            "2:1",
            &["the memif port `fabric` has no socket"],
        ),
        (
            "driver = \"memif\"\nsocket = \"/run/m\"",
            "2:1",
            &["has no role", "opens the socket"],
        ),
        (
            "driver = \"virtio_user\"",
            "2:1",
            &["the virtio_user port `fabric` has no path"],
        ),
    ] {
        assert_finding(&errors(&port(lines)), place, parts);
    }
}

#[test]
fn every_driver_refuses_what_it_has_no_use_for() {
    for (lines, place, parts) in [
        (
            "driver = \"tap\"\ninterface = \"dtap0\"\nqueue = 1",
            "6:9",
            &["a tap port has no queue", "use driver = \"af_xdp\""][..],
        ),
        (
            "driver = \"ring\"\ndevice = \"net_ring0\"",
            "5:10",
            &["a ring port has no device", "\"pci\" or \"vdev\""],
        ),
        (
            "driver = \"pci\"\ndevice = \"0000:03:00.0,a=1\"",
            "5:10",
            &["more than a PCI address", "arguments = \"a=1\""],
        ),
        (
            "driver = \"pci\"\ndevice = \"eth1\"",
            "5:10",
            &["`eth1` is not a PCI address", "dpdk-devbind.py"],
        ),
        (
            "driver = \"memif\"\nrole = \"server\"\nsocket = \"m\"",
            "6:10",
            &["not an absolute path"],
        ),
        (
            "driver = \"memif\"\nrole = \"server\"\nsocket = \"/m\"\nsecret = \"a,b\"",
            "7:10",
            &["cannot be a memif's secret", "1 to 23 bytes"],
        ),
        (
            "driver = \"null\"\npacket_size = 9000",
            "5:15",
            &["does not fit the port's MTU", "60 to 1514"],
        ),
        (
            "driver = \"pcap\"\ninterface = \"eth1\"\nrx_file = \"/in\"",
            "5:13",
            &["files or an interface, not both"],
        ),
        (
            "driver = \"pcap\"\ntx_file = \"/out\"\ninfinite = true",
            "6:12",
            &["no rx_file to read again"],
        ),
        (
            "driver = \"af_packet\"\ninterface = \"eth1\"\nblock_size = \"5000 B\"",
            "6:14",
            &[
                "blocks of 5000 bytes do not hold whole frames of 2048",
                "\"8 KiB\"",
            ],
        ),
        (
            "driver = \"af_packet\"\ninterface = \"eth1\"\nframes = 6",
            "6:10",
            &["6 frames do not fill whole blocks of 4", "multiple of 4"],
        ),
        (
            "driver = \"tap\"\ninterface = \"dtap0\"\nmtu = 9000",
            "6:7",
            &["a tap port cannot have an MTU of 9000", "af_packet"],
        ),
        (
            "driver = \"af_xdp\"\ninterface = \"eth1\"\nmtu = 9000",
            "6:7",
            &["too large for the af_xdp port `fabric`", "at most 3430"],
        ),
        (
            "driver = \"tap\"\ninterface = \"dtap0\"\nhost = { interface = \"dtap0\" }",
            "6:22",
            &["the interface `dtap0` is used twice"],
        ),
    ] {
        assert_finding(&errors(&port(lines)), place, parts);
    }
    let pcap = port("driver = \"pcap\"\nrx_file = \"/in\"");
    let two = format!("{pcap}[workers]\ncores = [1, 2]\n");
    assert_finding(
        &errors(&two),
        "4:10",
        &[
            "one queue, and there are 2 workers",
            "give workers.cores one CPU",
        ],
    );
}

#[test]
fn both_families_are_checked() {
    let addresses = |list: &str| with("\"10.99.0.2/24\"", list);
    let six = "[\"10.99.0.2/24\", \"fd00:99::2/64\"]";
    assert!(parse(&addresses(six)).is_ok());
    for (text, place, parts) in [
        (
            addresses("[\"10.99.0.2/24\", \"10.98.0.2/24\"]"),
            "6:28",
            &["10.98.0.2 is a second IPv4 address"][..],
        ),
        (
            addresses("[\"10.99.0.2/24\", \"fd00:99::/64\"]"),
            "6:28",
            &["fd00:99:: is not a host's address"],
        ),
        (
            addresses(&format!("{six}\ngateway = [\"10.99.0.1\", \"10.99.0.4\"]")),
            "7:25",
            &["10.99.0.4 is a second IPv4 gateway"],
        ),
        (
            addresses(&format!("{six}\ngateway = \"fd00:98::1\"")),
            "7:11",
            &["not a host in the port's subnet 10.99.0.0/24, fd00:99::/64"],
        ),
        (
            addresses(&format!("{six}\nmtu = 1279")),
            "7:7",
            &["too small for IPv6", "at least 1280"],
        ),
        (
            addresses("\"10.99.0.2/24\"\nneighbors = { \"10.98.0.7\" = \"02:00:00:00:00:07\" }"),
            "7:29",
            &["the neighbor 10.98.0.7 is not a host in the port's subnet"],
        ),
        (
            addresses(
                "\"10.99.0.2/24\"\nvlan = 7\n[[ports.vlans]]\nid = 7\naddress = \"10.98.0.2/24\"",
            ),
            "9:6",
            &["another interface of the port already has VLAN 7"],
        ),
        (
            addresses("\"10.99.0.2/24\"\n[[ports.vlans]]\nid = 7\naddress = \"10.99.0.2/24\""),
            "9:11",
            &["another interface of the port already has the address 10.99.0.2"],
        ),
        (
            with("address = \"10.99.0.2/24\"", ""),
            "2:1",
            &["the port `fabric` has no address", "add address = "],
        ),
    ] {
        let found = errors(&text);
        assert_finding(&found[..1], place, parts);
    }
    let link_local = addresses(&format!("{six}\ngateway = \"fe80::1\""));
    assert!(
        parse(&link_local).is_ok(),
        "routers have link-local addresses"
    );
    let tagged_only = with(
        "address = \"10.99.0.2/24\"",
        "[[ports.vlans]]\nid = 7\naddress = \"10.99.0.2/24\"",
    );
    assert!(parse(&tagged_only).is_ok());
}

#[test]
fn addresses_in_the_vip_pool_are_errors() {
    let found = errors(&with("\"10.99.0.3\"", "\"10.99.0.3\", \"11.0.0.3\""));
    assert_finding(
        &found,
        "8:27",
        &["the source address 11.0.0.3 overlaps the VIP pool 11.0.0.0-11.255.255.255"],
    );
    let found = errors(&plus("[vips]\npool = \"10.99.0.128-10.99.1.4\""));
    assert_finding(
        &found,
        "6:11",
        &["the subnet 10.99.0.0/24 overlaps the VIP pool 10.99.0.128-10.99.1.4"],
    );
}

#[test]
fn oddities_are_warnings() {
    for (text, place, parts) in [
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

//! What makes no sense in `[[ports]]`, driver by driver and family by family.

use super::*;

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

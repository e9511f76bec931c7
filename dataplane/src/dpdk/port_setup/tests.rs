//! Plans for devices that can more and less.

use super::*;

const ROOM: u16 = 2048;

fn spec() -> PortSpec {
    PortSpec::new("fabric", "net_tap0,iface=dtap0")
}

fn nic() -> Capabilities {
    Capabilities {
        driver: "net_ixgbe".into(),
        mtu: (68, 9710),
        frame: 9728,
        interface: None,
        rx_queues: 4,
        tx_queues: 8,
        rx_offloads: u64::MAX,
        tx_offloads: sys::VD_TX_OFFLOAD_TCP_CKSUM,
        rss_functions: sys::VD_RSS_TCP,
        rss_key_size: 52,
        redirection_size: 128,
    }
}

fn error(spec: &PortSpec, can: &Capabilities) -> String {
    plan(spec, can, ROOM)
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn the_name_ends_at_the_first_comma() {
    assert_eq!(device_name("net_tap0,iface=dtap0,mac=fixed"), "net_tap0");
    assert_eq!(device_name("0000:01:00.0"), "0000:01:00.0");
}

#[test]
fn only_offered_offloads_are_asked_for() {
    let setup = plan(&spec(), &nic(), ROOM).expect("fits");
    assert_eq!(setup.rx_offloads, sys::VD_RX_OFFLOAD_IPV4_CKSUM);
    assert!(setup.offloads.rx_ipv4_checksum && setup.offloads.tx_tcp_checksum);
    assert!(!setup.offloads.rx_rss_hash && !setup.offloads.tx_udp_checksum);
    let bare = Capabilities {
        rx_offloads: 0,
        ..nic()
    };
    assert_eq!(plan(&spec(), &bare, ROOM).expect("fits").rx_offloads, 0);
}

#[test]
fn too_many_queues_name_the_drivers_limit() {
    let mut spec = spec();
    spec.rx_queues = 5;
    assert!(
        error(&spec, &nic())
            .contains("5 receive queues wanted, but the driver net_ixgbe has at most 4")
    );
    spec.rx_queues = 1;
    spec.tx_queues = 9;
    assert!(error(&spec, &nic()).contains("9 transmit queues wanted"));
    spec.tx_queues = 0;
    assert!(error(&spec, &nic()).contains("at least one of each"));
}

#[test]
fn tap_pairs_its_queues() {
    let tap = Capabilities {
        driver: TAP.into(),
        ..nic()
    };
    let mut spec = spec();
    spec.rx_queues = 2;
    assert!(error(&spec, &tap).contains("as many transmit as receive queues, not 1 and 2"));
    spec.tx_queues = 2;
    assert_eq!(plan(&spec, &tap, ROOM).expect("fits").rss, None);
}

#[test]
fn the_mtu_must_suit_driver_and_buffers() {
    let mut spec = spec();
    spec.mtu = 67;
    assert!(error(&spec, &nic()).contains("(68 to 9710)"));
    spec.mtu = 9000;
    assert!(error(&spec, &nic()).contains("lower the mtu to 2022"));
    spec.mtu = 2022;
    assert!(plan(&spec, &nic(), ROOM).is_ok());
    spec.mtu = 2023;
    assert!(plan(&spec, &nic(), ROOM).is_err());
}

#[test]
fn jumbo_frames_that_dpdk_refuses_are_the_kernels() {
    let interface = KernelInterface::new(7);
    let can = Capabilities {
        driver: AF_PACKET.into(),
        mtu: (68, u16::MAX),
        frame: 1518,
        interface,
        ..nic()
    };
    let mut spec = spec();
    let setup = plan(&spec, &can, 9216).expect("fits");
    assert_eq!((setup.mtu, setup.interface_mtu), (1500, None));
    spec.mtu = 9000;
    let setup = plan(&spec, &can, 9216).expect("fits");
    assert_eq!(setup.mtu, 1500);
    assert_eq!(setup.interface_mtu, interface.map(|i| (i, 9000)));
    let setup = plan(&spec, &nic(), 9216).expect("fits");
    assert_eq!((setup.mtu, setup.interface_mtu), (9000, None));
    let tap = Capabilities {
        driver: TAP.into(),
        frame: 1522,
        ..can
    };
    let text = plan(&spec, &tap, 9216).expect_err("too large").to_string();
    assert!(text.contains("(68 to 1504)"), "{text}");
}

#[test]
fn xdp_takes_room_from_the_buffers_which_must_fit_a_page() {
    let can = Capabilities {
        driver: AF_XDP.into(),
        ..nic()
    };
    let mut spec = spec();
    spec.mtu = 1800;
    assert!(error(&spec, &can).contains("lower the mtu to 1766"));
    spec.mtu = 1766;
    let setup = plan(&spec, &can, ROOM).expect("fits");
    assert_eq!(setup.held_per_queue, AF_XDP_HELD);
    assert!(check_xdp_buffers(&spec, &can, ROOM, 4096).is_ok());
    assert!(check_xdp_buffers(&spec, &nic(), 9216, 4096).is_ok());
    let text = check_xdp_buffers(&spec, &can, 9216, 4096)
        .expect_err("too large")
        .to_string();
    assert!(text.contains("lower that to 3430"), "{text}");
}

#[test]
fn rss_is_what_is_wanted_and_offered() {
    let mut spec = spec();
    spec.rss_key = Some(vec![0x6d; 40]);
    assert_eq!(
        plan(&spec, &nic(), ROOM).expect("fits").rss,
        None,
        "one queue"
    );
    spec.rx_queues = 2;
    let rss = plan(&spec, &nic(), ROOM)
        .expect("fits")
        .rss
        .expect("two queues");
    assert_eq!(rss.functions, sys::VD_RSS_TCP);
    let mut padded = vec![0x6d; 40];
    padded.extend([0; 12]);
    assert_eq!(rss.key, Some(padded));
    let without = Capabilities {
        rss_functions: 0,
        ..nic()
    };
    assert_eq!(plan(&spec, &without, ROOM).expect("fits").rss, None);
}

#[test]
fn a_key_longer_than_the_nics_is_refused() {
    let mut spec = spec();
    spec.rx_queues = 2;
    spec.rss_key = Some(vec![0; 53]);
    assert!(error(&spec, &nic()).contains("53 bytes, but the driver net_ixgbe takes 52"));
}

//! What labels mean, and what is refused.

use proptest::prelude::*;

use super::*;

fn named(value: &str) -> (String, u16) {
    match parse(value, "marathon").expect(value) {
        VipLabel {
            vip: Vip::Named(name),
            port,
            ..
        } => (name, port),
        other => panic!("{value} is {other:?}"),
    }
}

fn address(value: &str) -> (String, u16) {
    match parse(value, "marathon").expect(value) {
        VipLabel {
            vip: Vip::Address(address),
            port,
            ..
        } => (address.to_string(), port),
        other => panic!("{value} is {other:?}"),
    }
}

fn refused(value: &str) -> LabelError {
    parse(value, "marathon").expect_err(value)
}

#[test]
fn keys_begin_with_vip_in_one_case() {
    for key in ["VIP_0", "vip_1", "VIP", "vip", "VIPx", "VIP_dcf1-22"] {
        assert!(is_vip_key(key), "{key}");
    }
    for key in ["Vip_0", "", "MY_VIP_0", "VI", " VIP_0"] {
        assert!(!is_vip_key(key), "{key}");
    }
}

#[test]
fn names_have_an_optional_slash() {
    assert_eq!(named("foo:5000"), ("foo.marathon".to_owned(), 5000));
    assert_eq!(named("/foo:5000"), named("foo:5000"));
    assert_eq!(
        named("/mygroup/myapp:80"),
        ("mygroupmyapp.marathon".to_owned(), 80)
    );
    assert_eq!(
        named("/api.hello-world:65535"),
        ("api.hello-world.marathon".to_owned(), 65535)
    );
}

#[test]
fn addresses_are_literal() {
    assert_eq!(address("1.2.3.4:5000"), ("1.2.3.4".to_owned(), 5000));
    assert_eq!(address("fd01:c::5:8080"), ("fd01:c::5".to_owned(), 8080));
}

#[test]
fn an_address_with_a_slash_is_the_address_with_a_warning() {
    let label = parse("/1.2.3.4:80", "marathon").expect("an address");
    let address = IpAddr::from([1, 2, 3, 4]);
    assert_eq!(label.vip, Vip::Address(address));
    assert_eq!(
        label.warning,
        Some(LabelWarning::SlashedAddress { address })
    );
    assert_eq!(
        parse("1.2.3.4:80", "marathon").expect("an address").warning,
        None
    );
}

#[test]
fn what_is_almost_an_address_is_a_name_with_a_warning() {
    for value in ["01.2.3.4:80", "1.2.3.400:80"] {
        let label = parse(value, "marathon").expect("a name");
        assert!(matches!(label.vip, Vip::Named(_)), "{value}");
        assert_eq!(label.warning, Some(LabelWarning::AlmostAddress), "{value}");
    }
    assert_eq!(parse("1.2.3:80", "marathon").expect("a name").warning, None);
}

#[test]
fn ports_are_numbers_from_1_to_65535() {
    for value in [
        "foo:0",
        "foo:65536",
        "foo:99999999999",
        "foo:+80",
        "foo:-1",
        "foo:8o",
        "foo: 80",
        "foo:80 ",
    ] {
        assert!(matches!(refused(value), LabelError::Port { .. }), "{value}");
    }
    assert_eq!(named("foo:00080").1, 80);
}

#[test]
fn a_missing_part_is_named() {
    assert_eq!(refused("missing-port"), LabelError::MissingPort);
    assert_eq!(refused("foo:"), LabelError::MissingPort);
    assert_eq!(refused(""), LabelError::MissingPort);
    assert_eq!(refused(":80"), LabelError::MissingHost);
    assert!(matches!(
        refused("/:80"),
        LabelError::Name(NameError::EmptyHost { .. })
    ));
}

#[test]
fn a_stray_colon_is_refused() {
    for value in ["invalid-port::1234", "tcp://1.2.3.4:80", "a:b:80"] {
        assert!(
            matches!(refused(value), LabelError::StrayColon { .. }),
            "{value}"
        );
    }
}

#[test]
fn unclear_ipv6_is_refused() {
    assert!(matches!(
        refused("[fd01:c::5]:80"),
        LabelError::Brackets { .. }
    ));
    assert!(matches!(
        refused("fe80::1%eth0:80"),
        LabelError::ZoneId { .. }
    ));
    let mapped = refused("::ffff:1.2.3.4:80");
    assert!(
        mapped.to_string().contains("write 1.2.3.4 instead"),
        "{mapped}"
    );
}

#[test]
fn addresses_that_nobody_can_reach_are_refused() {
    for host in [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.1.1",
        "::1",
        "::",
        "ff02::1",
        "fe80::1",
    ] {
        assert!(
            matches!(refused(&format!("{host}:80")), LabelError::Unusable { .. }),
            "{host}"
        );
    }
}

#[test]
fn task_labels_have_an_index_and_a_protocol() {
    let label = parse_task_label("vip_PORT0", "tcp://1.2.3.4:5000", "marathon");
    let label = label
        .expect("its key is right")
        .expect("its value is right");
    assert_eq!(
        (label.port_index, label.protocol, label.label.port),
        (0, Protocol::Tcp, 5000)
    );
    let udp = parse_task_label("VIP_PORT12", "UDP://foo:53", "marathon");
    let udp = udp.expect("its key is right").expect("its value is right");
    assert_eq!((udp.port_index, udp.protocol), (12, Protocol::Udp));
    assert_eq!(udp.label.vip, Vip::Named("foo.marathon".to_owned()));
}

#[test]
fn other_labels_are_no_task_labels() {
    for key in ["VIP_0", "VIP", "HAPROXY_0_PORT", "", "vip_porß"] {
        assert_eq!(
            parse_task_label(key, "tcp://a:1", "marathon"),
            None,
            "{key}"
        );
    }
}

#[test]
fn broken_task_labels_say_what_to_write() {
    let broken = |key, value| {
        parse_task_label(key, value, "marathon")
            .expect("a key")
            .expect_err(value)
    };
    assert_eq!(broken("VIP_PORT", "tcp://a:1"), LabelError::TaskIndex);
    assert_eq!(broken("VIP_PORT_0", "tcp://a:1"), LabelError::TaskIndex);
    assert_eq!(broken("VIP_PORT0", "a:1"), LabelError::TaskProtocol);
    assert_eq!(broken("VIP_PORT0", "sctp://a:1"), LabelError::TaskProtocol);
    assert_eq!(broken("VIP_PORT0", "tcp://a"), LabelError::MissingPort);
}

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(key in any::<String>(), value in any::<String>()) {
        if let Ok(label) = parse(&value, "marathon") {
            prop_assert_ne!(label.port, 0);
        }
        let _ = parse_task_label(&key, &value, "marathon");
    }
}

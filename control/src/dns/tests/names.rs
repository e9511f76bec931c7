//! What is answered to which question.

use super::*;

#[tokio::test]
async fn names_have_addresses_with_a_short_lifetime() {
    let server = start().await;
    let answer = server.ask("my-service.marathon", RecordType::A).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    assert!(answer.metadata.authoritative && answer.metadata.recursion_desired);
    assert!(!answer.metadata.recursion_available && !answer.metadata.truncation);
    assert_eq!(addresses(&answer), ["11.134.216.93"]);
    assert_eq!(answer.answers[0].ttl, 5);
    assert_eq!(
        addresses(&server.ask("six.marathon", RecordType::AAAA).await),
        ["fd01:c::6"]
    );
    assert_eq!(
        addresses(&server.ask("api.hello-world.marathon", RecordType::A).await),
        ["11.46.7.19"]
    );
    let mut both = addresses(&server.ask("dual.marathon", RecordType::ANY).await);
    both.sort();
    assert_eq!(both, ["11.0.0.1", "fd01:c::1"]);
}

#[tokio::test]
async fn unknown_names_do_not_exist() {
    let server = start().await;
    for name in ["nobody.marathon", "marathon2", "x.my-service.marathon"] {
        assert_negative(
            &server.ask(name, RecordType::A).await,
            ResponseCode::NXDomain,
        );
    }
}

#[tokio::test]
async fn names_without_that_type_exist() {
    let server = start().await;
    assert_negative(
        &server.ask("my-service.marathon", RecordType::AAAA).await,
        ResponseCode::NoError,
    );
    assert_negative(
        &server.ask("six.marathon", RecordType::A).await,
        ResponseCode::NoError,
    );
    assert_negative(
        &server.ask("my-service.marathon", RecordType::TXT).await,
        ResponseCode::NoError,
    );
    assert_negative(
        &server.ask("my-service.marathon", RecordType::SOA).await,
        ResponseCode::NoError,
    );
}

#[tokio::test]
async fn names_above_names_exist() {
    let server = start().await;
    assert_negative(
        &server.ask("marathon", RecordType::A).await,
        ResponseCode::NoError,
    );
    assert_negative(
        &server.ask("hello-world.marathon", RecordType::A).await,
        ResponseCode::NoError,
    );
}

#[tokio::test]
async fn the_apex_has_soa_and_name_server() {
    let server = start().await;
    let soa = server
        .udp(&question("l4lb.thisdcos.directory.", RecordType::SOA))
        .await;
    assert!(
        matches!(&soa.answers[0].data, RData::SOA(soa) if soa.minimum == 1),
        "{soa}"
    );
    let ns = server
        .udp(&question("l4lb.thisdcos.directory.", RecordType::NS))
        .await;
    assert!(
        matches!(&ns.answers[0].data, RData::NS(ns) if ns.0.to_string() == "ns.l4lb.thisdcos.directory.")
    );
    assert_eq!(ns.additionals.len(), 1, "{ns}");
    assert_eq!(
        addresses(&server.ask("ns", RecordType::A).await),
        ["127.0.0.1"]
    );
    assert_negative(
        &server
            .udp(&question("l4lb.thisdcos.directory.", RecordType::A))
            .await,
        ResponseCode::NoError,
    );
}

#[tokio::test]
async fn what_is_not_ours_is_refused() {
    let server = start().await;
    let mut chaos = question(
        "my-service.marathon.l4lb.thisdcos.directory.",
        RecordType::A,
    );
    chaos.queries[0].set_query_class(DNSClass::CH);
    let zone_transfer = question("l4lb.thisdcos.directory.", RecordType::AXFR);
    for query in [
        question("example.com.", RecordType::A),
        question("thisdcos.directory.", RecordType::SOA),
        question("xl4lb.thisdcos.directory.", RecordType::A),
        question(".", RecordType::NS),
        chaos,
        zone_transfer,
    ] {
        let answer = server.udp(&query).await;
        assert_eq!(
            answer.metadata.response_code,
            ResponseCode::Refused,
            "{answer}"
        );
        assert!(!answer.metadata.authoritative && !answer.metadata.recursion_available);
        assert!(answer.answers.is_empty() && answer.authorities.is_empty());
    }
}

#[tokio::test]
async fn case_does_not_matter_and_is_kept() {
    let server = start().await;
    let answer = server
        .udp(&question(
            "My-SERVICE.marathon.L4lb.thisdcos.Directory.",
            RecordType::A,
        ))
        .await;
    assert_eq!(addresses(&answer), ["11.134.216.93"]);
    let asked = Name::from_str("My-SERVICE.marathon.L4lb.thisdcos.Directory.").expect("a name");
    assert!(
        answer.answers[0].name.eq_case(&asked),
        "{}",
        answer.answers[0].name
    );
    assert!(answer.queries[0].name().eq_case(&asked));
}

#[tokio::test]
async fn addresses_take_turns() {
    let server = start().await;
    let mut firsts = Vec::new();
    for id in 0..3 {
        let mut query = question("three.marathon.l4lb.thisdcos.directory.", RecordType::A);
        query.metadata.id = id;
        let answer = server.udp(&query).await;
        assert_eq!((answer.metadata.id, answer.answers.len()), (id, 3));
        firsts.push(addresses(&answer)[0].clone());
    }
    assert_eq!(firsts, ["11.0.0.1", "11.0.0.2", "11.0.0.3"]);
}

//! Publication, counts, start and stop.

use super::*;

#[tokio::test]
async fn a_publication_replaces_everything_and_grows_the_serial() {
    let server = start().await;
    let serial = async || match &server
        .udp(&question("l4lb.thisdcos.directory.", RecordType::SOA))
        .await
        .answers[0]
        .data
    {
        RData::SOA(soa) => soa.serial,
        other => panic!("not a SOA: {other:?}"),
    };
    let before = serial().await;
    let next = records(&[("new.marathon", &["11.0.0.9"])]);
    server.publisher.publish(next.clone());
    assert_eq!(
        addresses(&server.ask("new.marathon", RecordType::A).await),
        ["11.0.0.9"]
    );
    assert_negative(
        &server.ask("my-service.marathon", RecordType::A).await,
        ResponseCode::NXDomain,
    );
    assert_eq!(serial().await, before.wrapping_add(1));
    server.publisher.publish(next);
    assert_eq!(
        serial().await,
        before.wrapping_add(1),
        "the same content is the same version"
    );
}

#[tokio::test]
async fn impossible_names_are_left_out_and_the_rest_is_served() {
    let server = start().await;
    let long = format!("{}.marathon", "a".repeat(64));
    server.publisher.publish(records(&[
        (&long, &["11.0.0.1"]),
        ("", &["11.0.0.2"]),
        ("ok.marathon", &["11.0.0.3"]),
    ]));
    assert_eq!(
        addresses(&server.ask("ok.marathon", RecordType::A).await),
        ["11.0.0.3"]
    );
}

#[tokio::test]
async fn answers_are_counted_by_code() {
    let server = start().await;
    server
        .udp(&question(
            "my-service.marathon.l4lb.thisdcos.directory.",
            RecordType::A,
        ))
        .await;
    server
        .udp(&question("nobody.l4lb.thisdcos.directory.", RecordType::A))
        .await;
    server.tcp(&question("example.com.", RecordType::A)).await;
    let counts: Vec<_> = server
        .counters
        .counts()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(counts, [("NOERROR", 1), ("NXDOMAIN", 1), ("REFUSED", 1)]);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_the_address() {
    let server = start().await;
    let error = bind(&[server.udp], ZONE).await.expect_err("taken");
    let text = error.to_string();
    assert!(
        text.contains(&format!("cannot listen for DNS on {} (UDP)", server.udp)),
        "{text}"
    );
    assert!(text.contains("dns.listen"), "{text}");
}

#[tokio::test]
async fn shutdown_closes_the_sockets() {
    let server = start().await;
    server.shutdown.cancel();
    timeout(LONG, server.handle)
        .await
        .expect("ends")
        .expect("no panic");
    UdpSocket::bind(server.udp).await.expect("free again");
    TcpStream::connect(server.tcp).await.expect_err("closed");
}

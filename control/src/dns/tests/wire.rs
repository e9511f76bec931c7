//! Sizes, transports, and messages that are no ordinary query.

use hickory_server::net::xfer::Protocol;
use hickory_server::proto::serialize::binary::BinEncoder;
use hickory_server::server::Request;
use proptest::prelude::*;

use super::super::answer::answer;
use super::*;

#[tokio::test]
async fn udp_answers_fit_or_say_that_they_do_not() {
    let server = start().await;
    let many: Vec<IpAddr> = (1..=50).map(|i| IpAddr::from([11, 0, 1, i])).collect();
    server
        .publisher
        .publish(BTreeMap::from([("many.marathon".to_owned(), many)]));
    let mut query = question("many.marathon.l4lb.thisdcos.directory.", RecordType::A);
    let plain = server.exchange_udp(&query.to_vec().expect("encodes")).await;
    assert!(plain.len() <= 512);
    let plain = Message::from_vec(&plain).expect("a message");
    assert!(plain.metadata.truncation && plain.answers.is_empty());
    assert_eq!(server.tcp(&query).await.answers.len(), 50);

    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    query.set_edns(edns);
    let large = server.exchange_udp(&query.to_vec().expect("encodes")).await;
    assert!(large.len() > 512 && large.len() <= 1232);
    let large = Message::from_vec(&large).expect("a message");
    assert!(!large.metadata.truncation && large.answers.len() == 50 && large.edns.is_some());
}

#[tokio::test]
async fn unknown_edns_versions_and_operations_are_named() {
    let server = start().await;
    let mut query = question(
        "my-service.marathon.l4lb.thisdcos.directory.",
        RecordType::A,
    );
    let mut edns = Edns::new();
    edns.set_version(1);
    query.set_edns(edns);
    let code = server.udp(&query).await.metadata.response_code;
    assert_eq!(
        u16::from(code),
        16,
        "BADVERS, which shares its number with BADSIG"
    );
    let mut update = question("l4lb.thisdcos.directory.", RecordType::SOA);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(
        server.udp(&update).await.metadata.response_code,
        ResponseCode::NotImp
    );
}

#[tokio::test]
async fn the_client_says_how_much_it_takes_over_udp() {
    let server = start().await;
    let many: Vec<IpAddr> = (1..=50).map(|i| IpAddr::from([11, 0, 1, i])).collect();
    server
        .publisher
        .publish(BTreeMap::from([("many.marathon".to_owned(), many)]));
    for (size, complete) in [(100, false), (600, false), (1000, true), (u16::MAX, true)] {
        let mut query = question("many.marathon.l4lb.thisdcos.directory.", RecordType::A);
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        query.set_edns(edns);
        let bytes = server.exchange_udp(&query.to_vec().expect("encodes")).await;
        assert!(bytes.len() <= usize::from(size.clamp(512, 1232)));
        let answer = Message::from_vec(&bytes).expect("a message");
        assert_eq!(answer.metadata.truncation, !complete, "{size}");
        assert_eq!(
            answer.answers.len(),
            if complete { 50 } else { 0 },
            "{size}"
        );
        assert!(answer.edns.is_some(), "EDNS stays in what is cut off");
    }
}

#[tokio::test]
async fn malformed_messages_are_answered_so() {
    let server = start().await;
    let mut broken = question(
        "my-service.marathon.l4lb.thisdcos.directory.",
        RecordType::A,
    )
    .to_vec()
    .expect("encodes");
    broken.truncate(20);
    let many_questions = [1, 2, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0];
    for bytes in [broken.as_slice(), &many_questions] {
        let answer = Message::from_vec(&server.exchange_udp(bytes).await).expect("a message");
        assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
    }
}

#[tokio::test]
async fn no_query_has_other_than_one_question() {
    let server = start().await;
    let mut two = question("a.marathon.l4lb.thisdcos.directory.", RecordType::A);
    two.add_query(two.queries[0].clone());
    let mut none = two.clone();
    none.queries.clear();
    for query in [two, none] {
        let answer = server.udp(&query).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
        assert_eq!(answer.metadata.id, query.metadata.id);
        assert!(answer.queries.is_empty());
    }
}

/// A connection's messages are answered in turn, so an answer to a response would come first.
#[tokio::test]
async fn responses_are_not_answered() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.tcp).await.expect("connects");
    let mut response = question("l4lb.thisdcos.directory.", RecordType::SOA);
    response.metadata.message_type = MessageType::Response;
    for silent in [response.to_vec().expect("encodes"), vec![0; 11]] {
        send(&mut stream, &silent).await;
    }
    let mut query = question("l4lb.thisdcos.directory.", RecordType::SOA);
    query.metadata.id = response.metadata.id.wrapping_add(1);
    let answer = over_tcp(&mut stream, &query).await;
    assert_eq!(answer.metadata.id, query.metadata.id);
}

#[tokio::test]
async fn one_connection_takes_many_queries() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.tcp).await.expect("connects");
    for _ in 0..3 {
        let query = question(
            "my-service.marathon.l4lb.thisdcos.directory.",
            RecordType::A,
        );
        assert_eq!(
            addresses(&over_tcp(&mut stream, &query).await),
            ["11.134.216.93"]
        );
    }
}

#[tokio::test]
async fn queries_may_be_sent_before_their_answers_are_read() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.tcp).await.expect("connects");
    let mut query = question("three.marathon.l4lb.thisdcos.directory.", RecordType::A);
    for id in 0..100 {
        query.metadata.id = id;
        send(&mut stream, &query.to_vec().expect("encodes")).await;
    }
    for id in 0..100 {
        assert_eq!(receive(&mut stream).await.metadata.id, id);
    }
}

#[tokio::test]
async fn garbage_over_sockets_does_not_stop_the_server() {
    let server = start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    for length in 0..200_u8 {
        let garbage: Vec<u8> = (0..length)
            .map(|i| i.wrapping_mul(length).wrapping_add(113))
            .collect();
        socket.send_to(&garbage, server.udp).await.expect("sends");
        let mut stream = TcpStream::connect(server.tcp).await.expect("connects");
        stream.write_all(&garbage).await.expect("writes");
    }
    assert_eq!(
        addresses(&server.ask("my-service.marathon", RecordType::A).await),
        ["11.134.216.93"]
    );
}

/// What goes over UDP for these bytes, if hickory takes them for a message.
fn over_udp(zone: &Zone, bytes: &[u8]) -> Option<Vec<u8>> {
    let client = SocketAddr::from((Ipv4Addr::LOCALHOST, 1024));
    let request = Request::from_bytes(bytes.to_vec(), client, Protocol::Udp).ok()?;
    let mut sent = Vec::new();
    answer(zone, &request)
        .response()
        .destructive_emit(&mut BinEncoder::new(&mut sent))
        .expect("encodes");
    Some(sent)
}

fn empty_zone() -> Zone {
    Zone::new(&Name::from_str(ZONE).expect("a name"), &[])
}

proptest! {
    #[test]
    fn no_bytes_make_the_answer_panic_or_too_large(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
        like_a_query in any::<bool>(),
    ) {
        if like_a_query && bytes.len() >= 12 {
            bytes[2] &= 0x07;
            bytes[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        }
        if let Some(sent) = over_udp(&empty_zone(), &bytes) {
            prop_assert!(sent.len() <= 1232);
            prop_assert_eq!(&sent[..2], &bytes[..2]);
        }
    }

    #[test]
    fn no_damage_to_a_query_makes_the_answer_panic(position in 0_usize..60, value in any::<u8>()) {
        let mut bytes = question("my-service.marathon.l4lb.thisdcos.directory.", RecordType::A)
            .to_vec()
            .expect("encodes");
        let length = bytes.len();
        bytes[position % length] = value;
        if let Some(sent) = over_udp(&empty_zone(), &bytes) {
            prop_assert!(sent.len() >= 12);
        }
    }
}

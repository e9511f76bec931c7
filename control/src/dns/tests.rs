//! Each rule of the server, over real sockets on the loopback interface.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::answer::{Transport, answer};
use super::*;

const ZONE: &str = "l4lb.thisdcos.directory";
/// Only so that a broken test ends; nothing is asserted about time.
const LONG: Duration = Duration::from_secs(30);

struct Server {
    udp: SocketAddr,
    tcp: SocketAddr,
    publisher: ZonePublisher,
    counters: ResponseCounters,
    shutdown: CancellationToken,
    handle: JoinHandle<()>,
}

async fn start() -> Server {
    let bound = bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], ZONE)
        .await
        .expect("binds");
    let (udp, tcp) = bound.addresses().expect("bound")[0];
    let counters = bound.counters();
    let shutdown = CancellationToken::new();
    let (publisher, handle) = bound.serve(shutdown.clone());
    publisher.publish(records(&[
        ("my-service.marathon", &["11.134.216.93"]),
        ("dual.marathon", &["11.0.0.1", "fd01:c::1"]),
        ("six.marathon", &["fd01:c::6"]),
        ("three.marathon", &["11.0.0.1", "11.0.0.2", "11.0.0.3"]),
        ("api.hello-world.marathon", &["11.46.7.19"]),
    ]));
    Server {
        udp,
        tcp,
        publisher,
        counters,
        shutdown,
        handle,
    }
}

fn records(list: &[(&str, &[&str])]) -> BTreeMap<String, Vec<IpAddr>> {
    let parse = |text: &&str| text.parse().expect("an address");
    list.iter()
        .map(|(name, ips)| ((*name).to_owned(), ips.iter().map(parse).collect()))
        .collect()
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(name).expect("a name"), kind));
    message
}

impl Server {
    async fn exchange_udp(&self, query: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        socket.send_to(query, self.udp).await.expect("sends");
        let mut buffer = vec![0; 65_535];
        let (length, _) = timeout(LONG, socket.recv_from(&mut buffer))
            .await
            .expect("an answer")
            .expect("receives");
        buffer.truncate(length);
        buffer
    }

    async fn udp(&self, query: &Message) -> Message {
        let bytes = self.exchange_udp(&query.to_vec().expect("encodes")).await;
        Message::from_vec(&bytes).expect("a message")
    }

    async fn tcp(&self, query: &Message) -> Message {
        let mut stream = TcpStream::connect(self.tcp).await.expect("connects");
        over_tcp(&mut stream, query).await
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Message {
        let name = format!("{name}.{ZONE}.");
        let query = question(&name, kind);
        let (udp, tcp) = (self.udp(&query).await, self.tcp(&query).await);
        assert_eq!(udp, tcp, "UDP and TCP answer the same");
        udp
    }
}

async fn over_tcp(stream: &mut TcpStream, query: &Message) -> Message {
    let bytes = query.to_vec().expect("encodes");
    let length = u16::try_from(bytes.len()).expect("short");
    stream.write_u16(length).await.expect("writes");
    stream.write_all(&bytes).await.expect("writes");
    let length = timeout(LONG, stream.read_u16())
        .await
        .expect("an answer")
        .expect("reads");
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.expect("reads");
    Message::from_vec(&answer).expect("a message")
}

fn addresses(message: &Message) -> Vec<String> {
    let text = |record: &hickory_proto::rr::Record| match &record.data {
        RData::A(a) => a.to_string(),
        RData::AAAA(aaaa) => aaaa.to_string(),
        other => panic!("not an address: {other:?}"),
    };
    message.answers.iter().map(text).collect()
}

#[track_caller]
fn assert_negative(message: &Message, code: ResponseCode) {
    assert_eq!(message.metadata.response_code, code);
    assert!(message.metadata.authoritative && message.answers.is_empty());
    assert_eq!(message.authorities.len(), 1);
    assert_eq!(message.authorities[0].record_type(), RecordType::SOA);
    assert_eq!(
        message.authorities[0].name,
        Name::from_str("l4lb.thisdcos.directory.").expect("a name")
    );
}

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
async fn malformed_messages_are_answered_so_and_responses_not_at_all() {
    let server = start().await;
    let mut broken = question(
        "my-service.marathon.l4lb.thisdcos.directory.",
        RecordType::A,
    )
    .to_vec()
    .expect("encodes");
    broken.truncate(20);
    let answer = Message::from_vec(&server.exchange_udp(&broken).await).expect("a message");
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);

    let mut two = question("a.marathon.l4lb.thisdcos.directory.", RecordType::A);
    two.add_query(two.queries[0].clone());
    assert_eq!(
        server.udp(&two).await.metadata.response_code,
        ResponseCode::FormErr
    );

    let zone = Zone::new(&Name::from_str(ZONE).expect("a name"), &[]);
    let mut response = question("l4lb.thisdcos.directory.", RecordType::SOA);
    response.metadata.message_type = MessageType::Response;
    assert!(answer_bytes(&zone, &response.to_vec().expect("encodes")).is_none());
    assert!(answer_bytes(&zone, &[0; 11]).is_none());
}

fn answer_bytes(zone: &Zone, query: &[u8]) -> Option<Vec<u8>> {
    answer(zone, query, Transport::Udp).map(|answer| answer.bytes)
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

proptest! {
    #[test]
    fn no_bytes_make_the_answer_panic_or_too_large(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
        like_a_query in any::<bool>(),
    ) {
        if like_a_query && bytes.len() >= 12 {
            bytes[2] &= 0x07;
            bytes[4..6].copy_from_slice(&[0, 1]);
        }
        let zone = Zone::new(&Name::from_str(ZONE).expect("a name"), &[]);
        if let Some(answer) = answer(&zone, &bytes, Transport::Udp) {
            prop_assert!(answer.bytes.len() <= 1232);
            prop_assert_eq!(&answer.bytes[..2], &bytes[..2]);
        }
    }

    #[test]
    fn no_damage_to_a_query_makes_the_answer_panic(position in 0_usize..60, value in any::<u8>()) {
        let zone = Zone::new(&Name::from_str(ZONE).expect("a name"), &[]);
        let mut bytes = question("my-service.marathon.l4lb.thisdcos.directory.", RecordType::A).to_vec().expect("encodes");
        let length = bytes.len();
        bytes[position % length] = value;
        if let Some(answer) = answer(&zone, &bytes, Transport::Udp) {
            prop_assert!(answer.bytes.len() >= 12);
        }
    }
}

//! Each rule of the server, over real sockets on the loopback interface.

mod names;
mod running;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use hickory_server::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_server::proto::rr::{DNSClass, Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

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
    send(stream, &query.to_vec().expect("encodes")).await;
    receive(stream).await
}

async fn send(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).expect("short");
    stream.write_u16(length).await.expect("writes");
    stream.write_all(message).await.expect("writes");
}

async fn receive(stream: &mut TcpStream) -> Message {
    let length = timeout(LONG, stream.read_u16())
        .await
        .expect("an answer")
        .expect("reads");
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.expect("reads");
    Message::from_vec(&answer).expect("a message")
}

fn addresses(message: &Message) -> Vec<String> {
    let text = |record: &hickory_server::proto::rr::Record| match &record.data {
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

//! From a query to its answer: a pure function of the zone and the query.

use std::slice::Iter;
use std::sync::LazyLock;

use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Edns, Message, Metadata, OpCode, Query, ResponseCode};
use hickory_server::proto::rr::{DNSClass, Record, RecordType};
use hickory_server::proto::serialize::binary::{BinDecoder, BinEncoder};
use hickory_server::server::Request;
use hickory_server::zone_handler::{
    MessageRequest, MessageResponse, MessageResponseBuilder, Queries,
};

use super::zone::{Lookup, Zone};

/// Largest UDP message: what passes everywhere without fragments.
const UDP_EDNS: u16 = 1232;

/// What goes back where there is not exactly one question.
static NO_QUESTION: LazyLock<Queries> = LazyLock::new(|| {
    Queries::read(&mut BinDecoder::new(&[]), 0).expect("no questions are read from no bytes")
});

/// An answer in the form that hickory sends.
pub(super) type Response<'a> =
    MessageResponse<'a, 'a, Iter<'a, Record>, Iter<'a, Record>, Iter<'a, Record>, Iter<'a, Record>>;

/// An answer: the question as it came, byte by byte, and what is said to it.
#[derive(Debug)]
pub(super) struct Answer<'q> {
    question: &'q Queries,
    content: Message,
}

/// Answers one query.
pub(super) fn answer<'q>(zone: &Zone, request: &'q Request) -> Answer<'q> {
    let content = respond(zone, request);
    let limit = match request.protocol() {
        Protocol::Udp => content.max_payload(),
        _ => u16::MAX,
    };
    let question = match request.queries.len() {
        1 => &request.queries,
        _ => &NO_QUESTION,
    };
    Answer { question, content }.within(limit)
}

impl Answer<'_> {
    pub(super) fn metadata(&self) -> Metadata {
        self.content.metadata
    }

    pub(super) fn response(&self) -> Response<'_> {
        let content = &self.content;
        MessageResponseBuilder::new(self.question, content.edns.as_ref()).build(
            content.metadata,
            &content.answers,
            &content.authorities,
            &[],
            &content.additionals,
        )
    }

    /// What does not fit is left out as a whole, and the client told to come over TCP. Left to
    /// hickory, as many records as fit would be sent, and none of EDNS (RFC 6891, section 6.1.1).
    fn within(self, limit: u16) -> Self {
        let mut bytes = Vec::new();
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(limit);
        match self.response().destructive_emit(&mut encoder) {
            Ok(info) if !info.truncation => self,
            _ => Self {
                content: self.content.truncate(),
                ..self
            },
        }
    }
}

fn respond(zone: &Zone, request: &MessageRequest) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata = Metadata::response_from_request(&request.metadata);
    response.edns = request.edns.as_ref().map(|_| edns(request.max_payload()));
    response.metadata.response_code = match request.queries.queries() {
        _ if request.metadata.op_code != OpCode::Query => ResponseCode::NotImp,
        [_] if request.version() > 0 => ResponseCode::BADVERS,
        [question] if is_served(question.original()) => {
            fill(zone, question.original(), &mut response)
        }
        [_] => ResponseCode::Refused,
        _ => ResponseCode::FormErr,
    };
    response
}

/// The size in a response's EDNS is what hickory limits the response to over UDP. Hence it is
/// the client's if that is smaller than ours.
fn edns(requested: u16) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(requested.min(UDP_EDNS));
    edns
}

/// Only the Internet class, no zone transfers, no signatures.
fn is_served(question: &Query) -> bool {
    let kind = question.query_type();
    let refused = [
        RecordType::AXFR,
        RecordType::IXFR,
        RecordType::RRSIG,
        RecordType::SIG,
    ];
    question.query_class() == DNSClass::IN && !refused.contains(&kind)
}

/// Puts the zone's records into the response and returns its code.
fn fill(zone: &Zone, question: &Query, response: &mut Message) -> ResponseCode {
    let lookup = zone.lookup(question.name(), question.query_type());
    response.metadata.authoritative = lookup != Lookup::OtherZone;
    match lookup {
        Lookup::Records(mut records) => {
            rotate(&mut records, response.metadata.id);
            response.additionals = zone.glue(&records);
            response.answers = records;
            ResponseCode::NoError
        }
        Lookup::NoData => {
            response.authorities = vec![zone.negative()];
            ResponseCode::NoError
        }
        Lookup::NoName => {
            response.authorities = vec![zone.negative()];
            ResponseCode::NXDomain
        }
        Lookup::OtherZone => ResponseCode::Refused,
    }
}

/// Clients mostly use the first record. Message ids are random, so each comes first equally often.
fn rotate(records: &mut [Record], id: u16) {
    let length = records.len();
    records.rotate_left(usize::from(id) % length.max(1));
}

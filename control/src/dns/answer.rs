//! From the bytes of a query to the bytes of its answer, or to silence.
//!
//! Silence is for what is no query: fewer bytes than a header, and responses, whose answer
//! would invite an endless exchange. Whatever else cannot be read is answered FORMERR.

use hickory_proto::op::{
    Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode,
};
use hickory_proto::rr::{DNSClass, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::zone::{Lookup, Zone};

/// Largest UDP message without EDNS (RFC 1035, section 4.2.1).
const UDP_PLAIN: u16 = 512;
/// Largest UDP message at all: what passes everywhere without fragments.
const UDP_EDNS: u16 = 1232;

/// What a message came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Answers are limited in size.
    Udp,
    /// Answers have up to 65535 bytes.
    Tcp,
}

/// An answer and its response code.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) code: ResponseCode,
}

/// Answers one message.
pub(super) fn answer(zone: &Zone, query: &[u8], transport: Transport) -> Option<Answer> {
    let header = Header::read(&mut BinDecoder::new(query)).ok()?;
    if header.metadata.message_type == MessageType::Response {
        return None;
    }
    let (response, udp_limit) = respond(zone, &header, query);
    let limit = match transport {
        Transport::Udp => udp_limit,
        Transport::Tcp => u16::MAX,
    };
    encode(&response, usize::from(limit))
}

/// The response, and how large it may be over UDP.
fn respond(zone: &Zone, header: &Header, bytes: &[u8]) -> (Message, u16) {
    let bare = |code| (bare(&header.metadata, code), UDP_PLAIN);
    if header.metadata.op_code != OpCode::Query {
        return bare(ResponseCode::NotImp);
    }
    // Checked before the rest is read: a reader takes memory for as many as the header claims.
    if header.counts.queries != 1 {
        return bare(ResponseCode::FormErr);
    }
    match Message::from_vec(bytes) {
        Ok(query) => (respond_to(zone, &query), query.max_payload().min(UDP_EDNS)),
        Err(_) => bare(ResponseCode::FormErr),
    }
}

/// A response with a code and nothing else.
fn bare(request: &Metadata, code: ResponseCode) -> Message {
    let mut response = Message::response(request.id, request.op_code);
    response.metadata = Metadata::response_from_request(request);
    response.metadata.response_code = code;
    response
}

fn respond_to(zone: &Zone, query: &Message) -> Message {
    let mut response = bare(&query.metadata, ResponseCode::NoError);
    response.add_queries(query.queries.iter().cloned());
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_EDNS);
        response.set_edns(edns);
    }
    match query.queries.first() {
        Some(_) if query.version() > 0 => response.metadata.response_code = ResponseCode::BADVERS,
        Some(question) if is_served(question) => fill(zone, question, &mut response),
        _ => response.metadata.response_code = ResponseCode::Refused,
    }
    response
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

fn fill(zone: &Zone, question: &Query, response: &mut Message) {
    response.metadata.authoritative = true;
    match zone.lookup(question.name(), question.query_type()) {
        Lookup::Records(mut records) => {
            rotate(&mut records, response.metadata.id);
            response.insert_additionals(zone.glue(&records));
            response.insert_answers(records);
        }
        Lookup::NoData => response.insert_authorities(vec![zone.negative()]),
        Lookup::NoName => {
            response.metadata.response_code = ResponseCode::NXDomain;
            response.insert_authorities(vec![zone.negative()]);
        }
        Lookup::OtherZone => {
            response.metadata.authoritative = false;
            response.metadata.response_code = ResponseCode::Refused;
        }
    }
}

/// Clients mostly use the first record. Message ids are random, so each comes first equally often.
fn rotate(records: &mut [Record], id: u16) {
    let length = records.len();
    records.rotate_left(usize::from(id) % length.max(1));
}

/// What does not fit is left out as a whole, and the client told to come over TCP.
fn encode(response: &Message, limit: usize) -> Option<Answer> {
    let whole = response.to_vec().ok()?;
    let bytes = match whole.len() <= limit {
        true => whole,
        false => response.truncate().to_vec().ok()?,
    };
    let code = response.metadata.response_code;
    Some(Answer { bytes, code })
}

//! Decoder of event streams (WHATWG HTML, section 9.2 "Server-sent events").
//!
//! It takes bytes in any portions: lines end with CR, LF or CRLF, and Marathon is known to send
//! the two halves of a CRLF in different packets. Memory is bounded: an event that is too
//! large is still reported, with its data cut off, because here every event only says that
//! something changed. Ids and reconnection times are ignored; Marathon sends neither.

/// Bytes of a byte order mark, allowed once at the start.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// The type; empty if the stream gives none.
    pub(super) name: String,
    /// The lines of data, joined by LF.
    pub(super) data: String,
    /// Whether the event was larger than allowed and its data is incomplete.
    pub(super) truncated: bool,
}

/// Decodes one stream.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Bytes that one event may take.
    limit: usize,
    /// The line that has not ended yet.
    line: Vec<u8>,
    name: String,
    /// Data so far, with an LF after each line; `None` before the first.
    data: Option<Vec<u8>>,
    truncated: bool,
    /// Whether the last byte was a CR, so that an LF now is no new line.
    after_cr: bool,
    /// Whether no line has ended yet.
    at_start: bool,
}

impl Decoder {
    /// A decoder that keeps at most about `limit` bytes of an event.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            name: String::new(),
            data: None,
            truncated: false,
            after_cr: false,
            at_start: true,
        }
    }

    /// Takes the next bytes and returns the events that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\r' | b'\n' => events.extend(self.end_line()),
                _ => self.push(*byte),
            }
        }
        events
    }

    fn push(&mut self, byte: u8) {
        let held = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
        if held < self.limit {
            self.line.push(byte);
        } else {
            self.truncated = true;
        }
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let bom = std::mem::replace(&mut self.at_start, false) && line.starts_with(BOM);
        let line = if bom { &line[BOM.len()..] } else { &line[..] };
        if line.is_empty() {
            return self.dispatch();
        }
        self.field(line);
        None
    }

    /// A line is `field: value`, `field:value` or `field`; a comment has an empty field.
    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                let data = self.data.get_or_insert_default();
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            _ => {}
        }
    }

    /// Ends an event; without any data there is none.
    fn dispatch(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let truncated = std::mem::take(&mut self.truncated);
        let mut data = self.data.take()?;
        data.pop();
        Some(Event {
            name,
            data: String::from_utf8_lossy(&data).into_owned(),
            truncated,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    const LIMIT: usize = 64 * 1024;

    fn decode(chunks: &[&[u8]]) -> Vec<Event> {
        let mut decoder = Decoder::new(LIMIT);
        chunks
            .iter()
            .flat_map(|chunk| decoder.feed(chunk))
            .collect()
    }

    fn names(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| event.name.as_str()).collect()
    }

    const CAPTURE: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/marathon/v2-events.sse.txt"
    ));
    const ALL_TYPES: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/marathon/sse-event-bus-all-types.sse.txt"
    ));

    #[test]
    fn a_real_stream_is_decoded() {
        let events = decode(&[CAPTURE.as_bytes()]);
        assert_eq!(
            names(&events),
            [
                "event_stream_attached",
                "status_update_event",
                "status_update_event"
            ]
        );
        assert!(events[2].data.contains("\"taskStatus\":\"TASK_RUNNING\""));
    }

    #[test]
    fn every_documented_event_is_decoded_once() {
        let events = decode(&[ALL_TYPES.as_bytes()]);
        let expected: Vec<&str> = ALL_TYPES
            .lines()
            .filter_map(|line| line.strip_prefix("event: "))
            .collect();
        assert_eq!(names(&events), expected);
        for event in &events {
            let data: serde_json::Value = serde_json::from_str(&event.data).expect("data is JSON");
            assert!(
                data.get("eventType")
                    .is_none_or(|name| name == event.name.as_str())
            );
        }
    }

    #[test]
    fn a_split_at_any_byte_changes_nothing() {
        for stream in [CAPTURE, ALL_TYPES] {
            let bytes = stream.as_bytes();
            let whole = decode(&[bytes]);
            for at in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(at);
                assert_eq!(decode(&[head, tail]), whole, "split at {at}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(decode(&single), whole);
        }
    }

    #[derive(Deserialize)]
    struct EdgeCase {
        input: String,
        expected: Vec<EdgeEvent>,
    }

    #[derive(Deserialize)]
    struct EdgeEvent {
        #[serde(default)]
        event: String,
        data: Option<String>,
    }

    // The client that these expectations are from also reports events that no blank line ends,
    // so one is added; and it reports blank lines as events without data, which are none.
    #[test]
    fn edge_cases_are_decoded_at_every_split() {
        let cases: Vec<EdgeCase> = serde_json::from_str(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/fixtures/marathon/sse-parser-edge-cases.json"
        )))
        .expect("the fixture is valid JSON");
        for case in cases {
            let real = case
                .expected
                .iter()
                .filter(|event| event.data.is_some() || !event.event.is_empty());
            let expected: Vec<(String, String)> = real
                .map(|event| {
                    (
                        event.event.clone(),
                        event.data.as_deref().unwrap_or("").trim_end().to_owned(),
                    )
                })
                .collect();
            let input = format!("{}\n\n", case.input);
            for at in 0..=input.len() {
                let (head, tail) = input.as_bytes().split_at(at);
                let events = decode(&[head, tail]);
                let got: Vec<_> = events
                    .into_iter()
                    .map(|event| (event.name, event.data))
                    .collect();
                assert_eq!(got, expected, "{input:?} split at {at}");
            }
        }
    }

    #[test]
    fn all_line_ends_are_one() {
        for end in ["\n", "\r", "\r\n"] {
            let stream = [
                "event: a",
                "data: 1",
                "data:2",
                "",
                ": comment",
                "data",
                "",
                "",
            ]
            .join(end);
            let events = decode(&[stream.as_bytes()]);
            let got: Vec<_> = events
                .iter()
                .map(|e| (e.name.as_str(), e.data.as_str()))
                .collect();
            assert_eq!(got, [("a", "1\n2"), ("", "")], "{end:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(
            names(&decode(&[b"\xef\xbb\xbfevent: a\ndata: 1\n\n"])),
            ["a"]
        );
    }

    #[test]
    fn an_event_that_is_not_ended_is_not_reported() {
        assert_eq!(decode(&[b"event: a\ndata: 1\n"]), []);
    }

    #[test]
    fn a_large_event_is_reported_without_all_of_its_data() {
        let mut decoder = Decoder::new(32);
        let mut events = decoder.feed(b"event: large\ndata: ");
        for _ in 0..1000 {
            events.extend(decoder.feed(&[b'x'; 100]));
            assert!(decoder.line.len() <= 32);
        }
        events.extend(decoder.feed(b"\n\nevent: next\ndata: 1\n\n"));
        assert_eq!(names(&events), ["large", "next"]);
        assert!(events[0].truncated && events[0].data.len() <= 32);
        assert!(!events[1].truncated);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_portions_decode_alike(chunks in vec(vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' '), Just(b'd'), any::<u8>()], 0..12), 0..12)
        ) {
            let parts: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(decode(&parts), decode(&[&parts.concat()]));
        }
    }
}

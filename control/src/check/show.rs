//! Differences between frames, for people: which field of which header, at which offset.

use std::fmt::Write;
use std::ops::Range;

use super::bytes::Pattern;

/// A header's fields: name and length in bytes, in order.
type Layout = &'static [(&'static str, usize)];

const ETHERNET: Layout = &[("destination", 6), ("source", 6), ("type", 2)];
const VLAN: Layout = &[("control", 2), ("type", 2)];
const ARP: Layout = &[
    ("hardware", 2),
    ("protocol", 2),
    ("lengths", 2),
    ("operation", 2),
    ("sender MAC", 6),
    ("sender IP", 4),
    ("target MAC", 6),
    ("target IP", 4),
];
const IPV4: Layout = &[
    ("version, length", 1),
    ("DSCP, ECN", 1),
    ("total length", 2),
    ("ID", 2),
    ("flags, offset", 2),
    ("TTL", 1),
    ("protocol", 1),
    ("checksum", 2),
    ("source", 4),
    ("destination", 4),
];
const IPV6: Layout = &[
    ("version, class, label", 4),
    ("payload length", 2),
    ("next header", 1),
    ("hop limit", 1),
    ("source", 16),
    ("destination", 16),
];
const TCP: Layout = &[
    ("source port", 2),
    ("destination port", 2),
    ("sequence", 4),
    ("acknowledgment", 4),
    ("offset, flags", 2),
    ("window", 2),
    ("checksum", 2),
    ("urgent", 2),
];
const UDP: Layout = &[
    ("source port", 2),
    ("destination port", 2),
    ("length", 2),
    ("checksum", 2),
];
const ICMP: Layout = &[("type", 1), ("code", 1), ("checksum", 2), ("rest", 4)];

/// A header on its way through a frame: what it is called, its fields, where it begins.
struct Header {
    name: &'static str,
    layout: Layout,
    start: usize,
}

impl Header {
    const fn new(name: &'static str, layout: Layout, start: usize) -> Self {
        Self {
            name,
            layout,
            start,
        }
    }

    fn end(&self) -> usize {
        self.start + self.layout.iter().map(|(_, len)| len).sum::<usize>()
    }

    /// The header that follows, as far as its bytes are there.
    fn next(&self, frame: &[u8]) -> Option<Self> {
        let byte = |at: usize| frame.get(self.start + at).copied();
        match self.name {
            "Ethernet" => after_type(frame.get(12..14)?, self.end()),
            "VLAN" => after_type(frame.get(self.end() - 2..self.end())?, self.end()),
            "IPv4" => {
                let fragment = byte(6)? & 0x1f != 0 || byte(7)? != 0;
                let end = self.start + usize::from(byte(0)? & 15) * 4;
                if fragment {
                    None
                } else {
                    after_protocol(byte(9)?, end)
                }
            }
            "IPv6" => after_protocol(byte(6)?, self.end()),
            // An error quotes the packet that it is about.
            "ICMP" if matches!(byte(0)?, 3 | 11 | 12) => Some(Self::new("IPv4", IPV4, self.end())),
            "ICMPv6" if byte(0)? < 128 => Some(Self::new("IPv6", IPV6, self.end())),
            _ => None,
        }
    }
}

fn after_type(ethertype: &[u8], start: usize) -> Option<Header> {
    match ethertype {
        [0x81, 0x00] => Some(Header::new("VLAN", VLAN, start)),
        [0x08, 0x00] => Some(Header::new("IPv4", IPV4, start)),
        [0x08, 0x06] => Some(Header::new("ARP", ARP, start)),
        [0x86, 0xdd] => Some(Header::new("IPv6", IPV6, start)),
        _ => None,
    }
}

fn after_protocol(protocol: u8, start: usize) -> Option<Header> {
    match protocol {
        1 => Some(Header::new("ICMP", ICMP, start)),
        4 => Some(Header::new("IPv4", IPV4, start)),
        6 => Some(Header::new("TCP", TCP, start)),
        17 => Some(Header::new("UDP", UDP, start)),
        41 => Some(Header::new("IPv6", IPV6, start)),
        58 => Some(Header::new("ICMPv6", ICMP, start)),
        _ => None,
    }
}

/// The fields of a frame's headers, then what follows as data, with their places.
fn fields(frame: &[u8]) -> Vec<(Range<usize>, String)> {
    let mut fields: Vec<(Range<usize>, String)> = Vec::new();
    let mut header = Some(Header::new("Ethernet", ETHERNET, 0));
    let mut end = 0;
    while let Some(current) = header {
        // Options between headers.
        if current.start > end {
            fields.push((end..current.start, "options".to_owned()));
        }
        end = current.start;
        for (name, len) in current.layout {
            fields.push((end..end + len, format!("{} {name}", current.name)));
            end += len;
        }
        header = current.next(frame).filter(|next| next.start < frame.len());
    }
    fields.push((end..usize::MAX, "data".to_owned()));
    fields
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of a field, cut short where it is long.
fn excerpt(frame: &[u8], at: &Range<usize>) -> String {
    const LONGEST: usize = 16;
    let (start, end) = (at.start.min(frame.len()), at.end.min(frame.len()));
    match &frame[start..end] {
        [] => "nothing".to_owned(),
        bytes if bytes.len() > LONGEST => {
            format!("{}… ({} bytes)", hex(&bytes[..LONGEST]), bytes.len())
        }
        bytes => hex(bytes),
    }
}

/// Where a frame is not what was expected, a field a line. Empty if it is.
pub(super) fn differences(expected: &Pattern, got: &[u8]) -> String {
    let readable = expected.readable();
    let longest = readable.len().max(got.len());
    let mut text = String::new();
    if expected.len() != got.len() {
        let _ = writeln!(
            text,
            "      length: expected {}, got {}",
            expected.len(),
            got.len()
        );
    }
    for (place, name) in fields(&readable) {
        let mut bytes = place.start..place.end.min(longest);
        let Some(first) = bytes.find(|&at| !expected.agrees(at, got)) else {
            continue;
        };
        // Data can be long: it is shown from the first difference on.
        let place = if name == "data" {
            first..place.end
        } else {
            place
        };
        let _ = writeln!(
            text,
            "      offset {:<4} {name}: expected {}, got {}",
            place.start,
            excerpt(&readable, &place),
            excerpt(got, &place)
        );
    }
    text
}

/// A frame in one line: its length, its headers, the first bytes.
pub(super) fn summary(frame: &[u8]) -> String {
    let mut names = Vec::new();
    let mut header = Some(Header::new("Ethernet", ETHERNET, 0));
    while let Some(current) = header {
        names.push(current.name);
        header = current.next(frame).filter(|next| next.start < frame.len());
    }
    let shown = &frame[..frame.len().min(96)];
    format!("{} bytes, {}: {}", frame.len(), names.join("/"), hex(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP_FRAME: &str = "020000000002 020000000101 0800 4500001d 00010000 40110000 0a630065 \
                             0b000001 0fa00050 00090000 61";

    fn shown(change: usize) -> String {
        let expected: Pattern = UDP_FRAME.parse().expect("a pattern");
        let mut got = expected.bytes().expect("complete");
        got[change] ^= 0xff;
        differences(&expected, &got)
    }

    #[test]
    fn differences_name_the_field() {
        assert_eq!(
            shown(22),
            "      offset 22   IPv4 TTL: expected 40, got bf\n"
        );
        assert!(shown(35).contains("offset 34   UDP source port: expected 0fa0, got 0f5f"));
        assert!(shown(42).contains("offset 42   data: expected 61, got 9e"));
    }

    #[test]
    fn lengths_and_missing_bytes() {
        let expected: Pattern = UDP_FRAME.parse().expect("a pattern");
        let whole = expected.bytes().expect("complete");
        assert_eq!(differences(&expected, &whole), "");
        let cut = differences(&expected, &whole[..42]);
        assert!(cut.contains("length: expected 43, got 42"), "{cut}");
        assert!(cut.contains("data: expected 61, got nothing"), "{cut}");
        let long = differences(&expected, &[&whole[..], &[7]].concat());
        assert!(long.contains("data: expected nothing, got 07"), "{long}");
        assert!(differences(&expected, &[]).contains("Ethernet destination"));
    }
}

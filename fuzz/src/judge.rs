//! Judges frames, and repairs their checksums; written apart from the data plane's own code.

use std::ops::Range;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Where tunnels end in the packet suite's setups.
const GUE_PORT: usize = 6080;

/// Where a checksum is and what it covers, as far as the frame's headers hold together.
struct Sum {
    /// Offset of the checksum.
    at: usize,
    /// What it covers.
    over: Range<usize>,
    /// Sum of the pseudo header.
    pseudo: u32,
    /// Zero stands for no checksum.
    optional: bool,
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes([
        *bytes.get(at)?,
        *bytes.get(at + 1)?,
    ])))
}

fn add(bytes: &[u8]) -> u32 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    words.sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The frame's checksums, the outer one first.
fn sums(frame: &[u8]) -> Vec<Sum> {
    find(frame).unwrap_or_default()
}

fn find(frame: &[u8]) -> Option<Vec<Sum>> {
    let tagged = word(frame, 12)? == 0x8100;
    let start = if tagged { 18 } else { 14 };
    match word(frame, start - 2)? {
        0x0800 => ipv4(frame, start),
        0x86dd => ipv6(frame, start).map(|sum| vec![sum]),
        _ => None,
    }
}

fn ipv4(frame: &[u8], start: usize) -> Option<Vec<Sum>> {
    let len = usize::from(frame.get(start)? & 15) * 4;
    let end = start + word(frame, start + 2)?;
    if len < 20 || start + len > end || end > frame.len() {
        return None;
    }
    let header = Sum {
        at: start + 10,
        over: start..start + len,
        pseudo: 0,
        optional: false,
    };
    let whole = word(frame, start + 6)? & 0x3fff == 0;
    let addresses = add(&frame[start + 12..start + 20]);
    let body = start + len..end;
    let transport = whole.then(|| transport(frame, body, frame[start + 9], addresses));
    Some(std::iter::once(header).chain(transport.flatten()).collect())
}

fn ipv6(frame: &[u8], start: usize) -> Option<Sum> {
    let body = start + 40..start + 40 + word(frame, start + 4)?;
    let addresses = add(frame.get(start + 8..start + 40)?);
    if body.end > frame.len() {
        return None;
    }
    // A tunnel's end takes no checksum for one (RFC 6935).
    let is_tunnel = word(frame, body.start + 2) == Some(GUE_PORT);
    transport(frame, body, frame[start + 6], addresses).map(|sum| Sum {
        optional: sum.optional && is_tunnel,
        ..sum
    })
}

fn transport(frame: &[u8], body: Range<usize>, protocol: u8, addresses: u32) -> Option<Sum> {
    let (offset, least) = match protocol {
        TCP => (16, 20),
        UDP => (6, 8),
        ICMP | ICMPV6 => (2, 4),
        _ => return None,
    };
    let len = match protocol {
        UDP => word(frame, body.start + 4)?,
        _ => body.len(),
    };
    if len < least || len > body.len() {
        return None;
    }
    let pseudo = match protocol {
        ICMP => 0,
        _ => addresses + u32::from(protocol) + len as u32,
    };
    Some(Sum {
        at: body.start + offset,
        over: body.start..body.start + len,
        pseudo,
        optional: protocol == UDP,
    })
}

impl Sum {
    fn is_right(&self, frame: &[u8]) -> bool {
        let none = self.optional && frame[self.at..self.at + 2] == [0, 0];
        none || fold(self.pseudo + add(&frame[self.over.clone()])) == 0xffff
    }

    fn repair(&self, frame: &mut [u8]) {
        frame[self.at..self.at + 2].fill(0);
        let sum = !fold(self.pseudo + add(&frame[self.over.clone()]));
        let sum = if sum == 0 && self.optional {
            0xffff
        } else {
            sum
        };
        frame[self.at..self.at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

/// True if the checksum of the IPv4 header is right; also where there is none to check.
#[must_use]
pub fn header_is_right(frame: &[u8]) -> bool {
    let mut sums = sums(frame).into_iter();
    sums.next()
        .is_none_or(|sum| sum.pseudo != 0 || sum.is_right(frame))
}

/// True if all checksums are right.
#[must_use]
pub fn all_is_right(frame: &[u8]) -> bool {
    sums(frame).iter().all(|sum| sum.is_right(frame))
}

/// Makes all checksums right, as far as headers hold together.
pub fn repair(frame: &mut [u8]) {
    for sum in sums(frame) {
        sum.repair(frame);
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn frame() -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([10, 0, 0, 1], [11, 0, 0, 1], 64)
            .udp(4000, 80);
        let mut bytes = Vec::new();
        builder
            .write(&mut bytes, b"odd")
            .expect("a vector takes all");
        bytes
    }

    #[test]
    fn what_is_right_is_right_and_damage_is_seen_and_repaired() {
        let good = frame();
        assert!(header_is_right(&good) && all_is_right(&good));
        for at in [22, 26, 34, 38 + 3, 44] {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(!all_is_right(&bad), "byte {at}");
            assert_eq!(header_is_right(&bad), at >= 34, "byte {at}");
            repair(&mut bad);
            assert!(all_is_right(&bad), "byte {at}");
        }
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let good = frame();
        for end in 0..good.len() {
            let mut cut = good[..end].to_vec();
            repair(&mut cut);
        }
    }
}

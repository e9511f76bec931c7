//! An [`Mbuf`] over memory of the test's own, with headers that lie. No EAL.

use std::mem::ManuallyDrop;

use super::*;

/// A buffer and its header, as a pool would make them, with room for one packet.
struct Fake {
    header: Box<sys::rte_mbuf>,
    _buffer: Vec<u8>,
}

const ROOM: u16 = 512;

impl Fake {
    fn new(packet: &[u8]) -> Self {
        let mut buffer = vec![0_u8; usize::from(ROOM)];
        buffer[usize::from(HEADROOM)..][..packet.len()].copy_from_slice(packet);
        let length = u16::try_from(packet.len()).expect("a short packet");
        let header = sys::rte_mbuf {
            buf_addr: buffer.as_mut_ptr().cast(),
            buf_len: ROOM,
            data_off: HEADROOM,
            data_len: length,
            pkt_len: u32::from(length),
            refcnt: 1,
            nb_segs: 1,
            ..Default::default()
        };
        Self {
            header: Box::new(header),
            _buffer: buffer,
        }
    }

    /// Never dropped: there is no pool to return it to.
    fn adopt(&mut self) -> ManuallyDrop<Mbuf> {
        let header = NonNull::from(&mut *self.header);
        // SAFETY: the header describes `_buffer`; both outlive the value in every test.
        ManuallyDrop::new(unsafe { Mbuf::adopt(header) })
    }
}

#[test]
fn shows_the_packet() {
    let mut fake = Fake::new(b"packet");
    let mut mbuf = fake.adopt();
    assert_eq!(mbuf.bytes(), b"packet");
    mbuf.bytes_mut()[0] = b'P';
    assert_eq!(mbuf.bytes(), b"Packet");
    assert!(mbuf.is_contiguous());
}

#[test]
fn grows_and_shrinks_at_the_front() {
    let mut fake = Fake::new(b"packet");
    let mut mbuf = fake.adopt();
    assert!(mbuf.prepend(4));
    mbuf.bytes_mut()[..4].copy_from_slice(b"vlan");
    assert_eq!(mbuf.bytes(), b"vlanpacket");
    mbuf.trim_front(6);
    assert_eq!(mbuf.bytes(), b"cket");
    assert!(mbuf.is_contiguous());
    assert!(
        !mbuf.prepend(usize::from(HEADROOM) + 3),
        "2 bytes more than the headroom"
    );
    assert!(!mbuf.prepend(usize::MAX));
    assert_eq!(mbuf.bytes(), b"cket", "a refused prepend changes nothing");
    assert!(mbuf.prepend(usize::from(HEADROOM) + 2), "all of it");
}

#[test]
fn truncates_only_what_is_longer() {
    let mut fake = Fake::new(b"packet");
    let mut mbuf = fake.adopt();
    mbuf.truncate(6);
    mbuf.truncate(usize::MAX);
    assert_eq!(mbuf.bytes(), b"packet");
    mbuf.truncate(3);
    assert_eq!(mbuf.bytes(), b"pac");
    assert_eq!(fake.header.pkt_len, 3);
}

#[test]
fn assigns_up_to_the_end_of_the_buffer() {
    let mut fake = Fake::new(b"packet");
    let mut mbuf = fake.adopt();
    assert!(!mbuf.assign(&vec![7; usize::from(ROOM - HEADROOM) + 1]));
    assert!(!mbuf.assign(&vec![7; 70_000]), "more than any buffer");
    assert_eq!(mbuf.bytes(), b"packet", "a refused assign changes nothing");
    assert!(mbuf.assign(&vec![7; usize::from(ROOM - HEADROOM)]));
    assert_eq!(mbuf.bytes(), vec![7; usize::from(ROOM - HEADROOM)]);
}

#[test]
fn assigning_forgets_what_the_port_said_about_the_old_packet() {
    let mut fake = Fake::new(b"packet");
    fake.header.ol_flags = sys::VD_MBUF_RX_IP_CKSUM_GOOD;
    let mut mbuf = fake.adopt();
    assert_eq!(mbuf.ip_checksum(), RxChecksum::Good);
    assert!(mbuf.assign(b"other"));
    assert_eq!(mbuf.ip_checksum(), RxChecksum::Unknown);
}

#[test]
fn reads_the_checksum_flags() {
    let both = sys::VD_MBUF_RX_IP_CKSUM_MASK;
    let cases = [
        (0, RxChecksum::Unknown),
        (sys::VD_MBUF_RX_IP_CKSUM_BAD, RxChecksum::Bad),
        (both, RxChecksum::Unknown),
    ];
    for (flags, expected) in cases {
        let mut fake = Fake::new(b"packet");
        fake.header.ol_flags = flags;
        assert_eq!(fake.adopt().ip_checksum(), expected, "{flags:#x}");
    }
}

#[test]
fn reads_the_hash_only_when_there_is_one() {
    let mut fake = Fake::new(b"packet");
    fake.header.__bindgen_anon_2.hash.rss = 0xdead_beef;
    assert_eq!(fake.adopt().rss_hash(), None);
    fake.header.ol_flags = sys::VD_MBUF_RX_RSS_HASH;
    assert_eq!(fake.adopt().rss_hash(), Some(0xdead_beef));
}

/// What a driver could get wrong; each must show no bytes and accept no growth.
#[test]
fn a_lying_header_never_reaches_outside_of_the_buffer() {
    type Lie = (&'static str, fn(&mut sys::rte_mbuf));
    let lies: [Lie; 8] = [
        ("longer than the buffer", |h| {
            (h.data_len, h.pkt_len) = (ROOM, u32::from(ROOM));
        }),
        ("starts behind the buffer", |h| h.data_off = ROOM + 1),
        ("starts at the end of the world", |h| h.data_off = u16::MAX),
        ("total shorter than the segment", |h| h.pkt_len = 0),
        ("total longer than the segment", |h| h.pkt_len = 9000),
        ("several segments", |h| h.nb_segs = 2),
        ("shared", |h| h.refcnt = 2),
        ("indirect", |h| h.ol_flags = sys::VD_MBUF_INDIRECT),
    ];
    for (what, lie) in lies {
        let mut fake = Fake::new(b"packet");
        lie(&mut fake.header);
        let mut mbuf = fake.adopt();
        assert_eq!(mbuf.bytes(), b"", "{what}");
        assert_eq!(mbuf.bytes_mut(), b"", "{what}");
        assert!(!mbuf.is_contiguous(), "{what}");
        assert!(!mbuf.prepend(1), "{what}");
        assert!(!mbuf.assign(b"x"), "{what}");
        mbuf.truncate(0);
        mbuf.trim_front(0);
        assert_eq!(mbuf.bytes(), b"", "{what}");
    }
}

#[test]
fn a_packet_may_end_exactly_at_the_end_of_the_buffer() {
    let mut fake = Fake::new(b"packet");
    fake.header.data_off = ROOM - 6;
    let mbuf = fake.adopt();
    assert_eq!(mbuf.bytes().len(), 6);
    assert!(mbuf.is_contiguous());
}

use super::*;
use crate::inspect::{Condition, End, Term};
use crate::network::InterfaceIndex;
use crate::table::Prefix;
use crate::verdict::DropReason;

const FORWARD: Verdict = Verdict::Forward(InterfaceIndex(0));

fn order(matcher: Matcher, points: &[Point]) -> TapOrder {
    TapOrder {
        matcher,
        points: Points::of(points),
        snaplen: 40,
        packets: 2,
        span: TickSpan(10),
    }
}

fn udp(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![];
    etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4(source, destination, 64)
        .udp(1, 2)
        .write(&mut bytes, b"data")
        .expect("a vector takes all");
    bytes
}

/// Takes a packet past the tap, which leaves as another.
fn pass(tap: &mut Tap, arriving: &[u8], leaving: Option<&[u8]>, verdict: Verdict) -> u32 {
    tap.begin_burst();
    tap.arrives(arriving, Some(0));
    let note = leaving.map_or(0, |frame| tap.departs(frame, Some(1)));
    tap.ends(verdict, None);
    note
}

fn taken(recording: &mut Recording) -> Vec<(u64, Point, Vec<u8>)> {
    let mut all = vec![];
    let mut next = || recording.next(|s| (s.packet, s.point, s.bytes.clone()));
    while let Some(sample) = next() {
        all.push(sample);
    }
    all
}

#[test]
fn a_packet_that_matches_as_it_leaves_is_recorded_as_it_came_too() {
    let backend = Prefix {
        address: [10, 0, 0, 9].into(),
        len: 32,
    };
    let term = Term {
        condition: Condition::Host(End::Destination, backend),
        negated: false,
    };
    let matcher = Matcher::new(&[term]).expect("one term");
    let (mut tap, mut recording) = Tap::new(WorkerId(0), order(matcher, &Point::ALL));
    let (request, rewritten) = (udp([1; 4], [2; 4]), udp([3; 4], [10, 0, 0, 9]));
    pass(&mut tap, &request, Some(&request), FORWARD);
    assert!(taken(&mut recording).is_empty());
    pass(&mut tap, &request, Some(&rewritten), FORWARD);
    let (came, left) = (request[..40].to_vec(), rewritten[..40].to_vec());
    let expected = [(1, Point::Rx, came), (1, Point::Tx, left)];
    assert_eq!(taken(&mut recording), expected);
}

#[test]
fn only_the_points_that_were_ordered_are_recorded() {
    let order = order(Matcher::default(), &[Point::Drop]);
    let (mut tap, mut recording) = Tap::new(WorkerId(0), order);
    let packet = udp([1; 4], [2; 4]);
    pass(&mut tap, &packet, Some(&packet), FORWARD);
    pass(&mut tap, &packet, None, Verdict::Drop(DropReason::NotLocal));
    let samples = taken(&mut recording);
    assert_eq!(samples.len(), 1);
    assert_eq!((samples[0].0, samples[0].1), (2, Point::Drop));
}

#[test]
fn a_note_tells_a_recorded_packet_again() {
    let order = order(Matcher::default(), &Point::ALL);
    let (mut tap, mut recording) = Tap::new(WorkerId(0), order);
    let packet = udp([1; 4], [2; 4]);
    let note = pass(&mut tap, &packet, Some(&packet), Verdict::Hold);
    pass(&mut tap, &packet, Some(&packet), FORWARD);
    assert_eq!(tap.recorded(0), None);
    assert_eq!(tap.recorded(note), Some(1));
    taken(&mut recording);
    tap.sees(Point::Tx, &packet, Some(1), Event::Released, note);
    let samples = taken(&mut recording);
    assert_eq!((samples.len(), samples[0].0), (1, 1));
    tap.sees(Point::Tx, &packet, Some(1), Event::Originated, 0);
    assert!(taken(&mut recording).is_empty(), "two were ordered");
}

#[test]
fn it_ends_by_number_by_time_and_when_nobody_reads() {
    let armed = || {
        let order = order(Matcher::default(), &Point::ALL);
        let (mut tap, recording) = Tap::new(WorkerId(0), order);
        tap.arm(Ticks(u32::MAX - 3));
        assert!(!tap.is_over(Ticks(u32::MAX - 3)) && recording.is_armed());
        (tap, recording)
    };
    let (tap, _recording) = armed();
    let before = Ticks(u32::MAX - 3).after(TickSpan(9));
    assert!(!tap.is_over(before) && tap.is_over(before.after(TickSpan(1))));

    let (mut tap, mut recording) = armed();
    let packet = udp([1; 4], [2; 4]);
    for _ in 0..3 {
        pass(&mut tap, &packet, Some(&packet), FORWARD);
    }
    assert!(tap.is_over(Ticks(u32::MAX - 3)) && !recording.is_over());
    assert_eq!(taken(&mut recording).len(), 4);
    assert!(recording.is_over());

    let (tap, recording) = armed();
    drop(recording);
    assert!(tap.is_over(Ticks(u32::MAX - 3)));
}

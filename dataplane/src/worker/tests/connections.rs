//! How far TCP connections are, and how long they are remembered.

use super::*;

#[test]
fn a_refusal_ends_the_flow_and_is_delivered() {
    let mut rig = rig(1, None);
    let request = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    let (from, to) = reply_ends(&request);
    let reply = seen(&rig.exchange(0, &tcp(from, to, "RA", b"")));
    assert_eq!(reply.ends[1], client(4000).1);
    let reset = rig.through(&tcp(client(4000), vip(80), "A", b"late"));
    assert_eq!(
        seen(&reset.expect("the client is told")).ends[1],
        client(4000).1
    );
    assert_eq!(rig.dropped(DropReason::NoFlow), 1);
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn a_stray_reset_does_not_end_a_connection_that_goes_on() {
    for from_client in [true, false] {
        let mut rig = rig(1, None);
        let request = open(&mut rig, 4000);
        let (from, to) = match from_client {
            true => (client(4000), vip(80)),
            false => reply_ends(&request),
        };
        // Whoever made this reset did not know the sequence numbers: its receiver ignores it.
        rig.exchange(0, &tcp(from, to, "R", b""));
        rig.exchange(0, &tcp(from, to, "A", b"still there"));
        rig.now = Ticks(1999);
        rig.run();
        assert_eq!(rig.counters[0].flows_ended.get(), 0);
        let later = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "A", b"x")));
        assert_eq!(later.ends, request.ends);
    }
}

#[test]
fn a_connection_that_was_reset_ends_after_the_closing_timeout() {
    let mut rig = rig(1, None);
    let request = open(&mut rig, 4000);
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(client(4000), vip(80), "RA", b""));
    // What was on its way when the client gave up does not bring the connection back.
    rig.exchange(0, &tcp(from, to, "A", b"data"));
    rig.now = Ticks(199);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 0);
    rig.now = Ticks(200);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn a_late_fin_of_the_old_connection_does_not_age_the_new_one() {
    let mut rig = rig(1, None);
    let request = open_and_close(&mut rig, 4000);
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(client(4000), vip(80), "S", b""));
    rig.exchange(0, &tcp(from, to, "FA", b""));
    rig.exchange(0, &tcp(from, to, "SA", b""));
    rig.exchange(0, &tcp(client(4000), vip(80), "A", b""));
    rig.now = Ticks(1999);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 0);
}

/// Opens and closes a connection; returns its first packet as the backend sees it.
fn open_and_close(rig: &mut Rig, port: u16) -> Seen {
    let request = open(rig, port);
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(from, to, "FA", b""));
    rig.exchange(0, &tcp(client(port), vip(80), "FA", b""));
    request
}

#[test]
fn closed_connections_keep_their_ports_for_a_while() {
    let mut rig = rig(1, None);
    open_and_close(&mut rig, 4000);
    rig.now = Ticks(199);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 0);
    rig.now = Ticks(200);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn a_new_connection_on_the_ports_of_a_closed_one_gets_through() {
    let mut rig = rig(1, None);
    let first = open_and_close(&mut rig, 4000);
    let again = open_and_close(&mut rig, 4000);
    assert_eq!(again.ends, first.ends);
    // When the old backend is gone it goes elsewhere.
    rig.tables.publish(table(&[(7, 1)]));
    let elsewhere = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    assert_eq!(elsewhere.ends[1], backend_address(7));
}

#[test]
fn a_draining_backend_gets_no_new_connection_on_the_ports_of_a_closed_one() {
    let mut rig = rig(1, None);
    rig.tables.publish(table(&[(1, 1)]));
    open_and_close(&mut rig, 4000);
    rig.tables.publish(table(&[(1, 0), (2, 1)]));
    let again = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    assert_eq!(again.ends[1], backend_address(2));
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn timeouts_follow_the_state() {
    let mut rig = rig(1, None);
    let request = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(from, to, "SA", b""));
    rig.exchange(0, &tcp(client(4000), vip(80), "A", b""));
    rig.exchange(0, &tcp(client(4001), vip(80), "S", b""));
    rig.now = Ticks(100);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 1, "the half-open one");
    rig.now = Ticks(2000);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 2);
}

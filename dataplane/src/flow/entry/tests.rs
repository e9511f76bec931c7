//! What a flow says of its checksums, and how far TCP connections are.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const NOW: Ticks = Ticks(7);
const ACK: u8 = TcpFlags::ACK;
const SYN: u8 = TcpFlags::SYN;
const FIN: u8 = TcpFlags::FIN;
const RST: u8 = TcpFlags::RST;

fn nat() -> Flow<Ipv4Addr> {
    let at = |host, port| (Ipv4Addr::new(10, 0, 0, host), port);
    let arriving = [at(1, 40_000), at(2, 80)];
    Flow::through_us(Protocol::Tcp, arriving, [at(3, 2000), at(4, 8080)], NOW)
}

fn direct() -> Flow<Ipv4Addr> {
    let at = |host, port| (Ipv4Addr::new(10, 0, 0, host), port);
    Flow::direct(Protocol::Tcp, [at(1, 40_000), at(2, 80)], NOW)
}

fn say(flow: &mut Flow<Ipv4Addr>, direction: Direction, flags: u8, ack: u32) -> Transition {
    let flags = TcpFlags(flags);
    flow.follow(direction, TcpFacts { flags, ack }, NOW)
}

fn client(flow: &mut Flow<Ipv4Addr>, flags: u8) -> State {
    say(flow, Direction::Forward, flags, 0);
    flow.state()
}

fn backend(flow: &mut Flow<Ipv4Addr>, flags: u8) -> State {
    say(flow, Direction::Reverse, flags, 0);
    flow.state()
}

#[test]
fn a_connection_from_handshake_to_close() {
    let mut flow = nat();
    assert_eq!(client(&mut flow, SYN), State::Handshake);
    assert_eq!(backend(&mut flow, SYN | ACK), State::Handshake);
    assert_eq!(client(&mut flow, ACK), State::Established);
    assert_eq!(backend(&mut flow, FIN | ACK), State::HalfClosed);
    assert_eq!(client(&mut flow, ACK), State::HalfClosed);
    assert_eq!(client(&mut flow, FIN | ACK), State::Closed);
    assert!(flow.may_reopen());
}

#[test]
fn spoofed_packets_without_an_answer_stay_half_open() {
    let mut flow = nat();
    for flags in [SYN, ACK, FIN | ACK, SYN, ACK] {
        assert_eq!(client(&mut flow, flags), State::Handshake, "{flags:#x}");
    }
}

#[test]
fn a_reset_of_half_an_open_connection_refuses_it() {
    for mut flow in [nat(), direct(), direct().picked_up()] {
        let refused = say(&mut flow, Direction::Forward, RST, 0);
        assert_eq!(refused, Transition::Refused);
    }
}

#[test]
fn a_reset_that_was_not_accepted_is_forgotten() {
    let mut flow = nat();
    client(&mut flow, SYN);
    backend(&mut flow, SYN | ACK);
    client(&mut flow, ACK);
    assert_eq!(client(&mut flow, RST), State::Closed);
    assert_eq!(client(&mut flow, ACK), State::Established);
}

#[test]
fn direct_return_is_judged_by_the_client_alone() {
    let mut flow = direct();
    assert_eq!(client(&mut flow, SYN), State::Handshake);
    assert_eq!(client(&mut flow, SYN), State::Handshake);
    assert_eq!(client(&mut flow, ACK), State::Established);
    assert_eq!(client(&mut flow, FIN | ACK), State::HalfClosed);
    assert_eq!(client(&mut flow, RST), State::Closed);
}

#[test]
fn a_connection_picked_up_mid_stream_is_verified_by_its_next_packet() {
    let mut flow = direct().picked_up();
    assert_eq!(client(&mut flow, ACK), State::Handshake);
    assert_eq!(client(&mut flow, SYN), State::Handshake);
    assert_eq!(client(&mut flow, ACK), State::Established);

    let mut flow = nat().picked_up();
    assert_eq!(client(&mut flow, FIN | ACK), State::Handshake);
    assert_eq!(backend(&mut flow, ACK), State::HalfClosed);
}

#[test]
fn resets_carry_what_their_receiver_acknowledged_last() {
    let mut flow = nat();
    say(&mut flow, Direction::Forward, SYN, 99);
    assert_eq!(flow.reset_sequence(Direction::Forward), None);
    say(&mut flow, Direction::Reverse, SYN | ACK, 1000);
    assert_eq!(flow.reset_sequence(Direction::Forward), Some(1000));
    assert_eq!(flow.reset_sequence(Direction::Reverse), None);
    say(&mut flow, Direction::Forward, ACK, 0);
    say(&mut flow, Direction::Reverse, ACK, 1100);
    say(&mut flow, Direction::Forward, RST | ACK, 5);
    assert_eq!(flow.reset_sequence(Direction::Forward), Some(1100));
    assert_eq!(flow.reset_sequence(Direction::Reverse), Some(0));
    flow.reopen(NOW);
    assert_eq!(flow.reset_sequence(Direction::Forward), None);
}

#[test]
fn direct_flows_change_no_checksum() {
    let flow = direct();
    for direction in [Direction::Forward, Direction::Reverse] {
        let (ip, transport) = flow.changes(direction);
        for sum in [0, 1, 0x1234, 0xfffe, 0xffff] {
            assert_eq!((ip.apply(sum), transport.apply(sum)), (sum, sum));
        }
    }
}

/// The checksum of a header with these ends, and an unchanging word.
fn sum<A: Address>([source, destination]: [A; 2], ports: Option<[u16; 2]>) -> u16 {
    let mut bytes = vec![0x45, 6];
    bytes.extend(source.bytes().as_ref());
    bytes.extend(destination.bytes().as_ref());
    for port in ports.into_iter().flatten() {
        bytes.extend(port.to_be_bytes());
    }
    crate::wire::checksum::checksum(&bytes)
}

fn changes_are_right<A: Address>(flow: &Flow<A>) -> Result<(), TestCaseError> {
    for direction in [Direction::Forward, Direction::Reverse] {
        let key = flow.key(direction);
        let [source, destination] = flow.leaving(direction);
        let (ip, transport) = flow.changes(direction);
        let (before, after) = ([key.source, key.destination], [source.0, destination.0]);
        let ports = Some([key.source_port, key.destination_port]);
        prop_assert_eq!(ip.apply(sum(before, None)), sum(after, None));
        let expected = sum(after, Some([source.1, destination.1]));
        prop_assert_eq!(transport.apply(sum(before, ports)), expected);
    }
    Ok(())
}

proptest! {
    #[test]
    fn changes_equal_recomputed_checksums(addresses in any::<[u128; 4]>(), ports in any::<[u16; 4]>()) {
        let v6 = |n: usize| (Ipv6Addr::from_bits(addresses[n]), ports[n]);
        let v4 = |n: usize| (Ipv4Addr::from_bits(addresses[n] as u32), ports[n]);
        changes_are_right(&Flow::through_us(Protocol::Tcp, [v6(0), v6(1)], [v6(2), v6(3)], NOW))?;
        changes_are_right(&Flow::through_us(Protocol::Tcp, [v4(0), v4(1)], [v4(2), v4(3)], NOW))?;
        // Nothing changes: gateway mode towards the VIP itself.
        changes_are_right(&Flow::through_us(Protocol::Tcp, [v4(0), v4(1)], [v4(0), v4(1)], NOW))?;
    }
}

//! Bounds by example, and the bucket against a model that counts in fractions.

use proptest::prelude::*;

use super::*;
use crate::clock::TickSpan;
use crate::table::{Policy, Timeouts};

const TIMEOUTS: Timeouts = Timeouts {
    tcp_handshake: TickSpan(1),
    tcp_established: TickSpan(1),
    tcp_closing: TickSpan(1),
    udp: TickSpan(1),
};

fn service(slot: u16, port: u16, limits: Limits) -> Service {
    let policy = Policy {
        limits,
        ..Policy::new(TIMEOUTS)
    };
    let vip = ([11, 0, 0, 1], port).into();
    Service::new(ServiceSlot(slot), vip, Protocol::Tcp, policy, Vec::new())
}

fn rate(per_second: u32) -> Limits {
    Limits {
        new_flows_per_second: Some(per_second),
        flows: None,
    }
}

fn at_most(flows: u32) -> Limits {
    Limits {
        new_flows_per_second: None,
        flows: Some(flows),
    }
}

fn end(limits: &mut ServiceLimits, service: &Service) {
    limits.ended(service.slot(), service.vip(), service.protocol());
}

/// How many of `tries` new flows are admitted at this time.
fn admitted(limits: &mut ServiceLimits, service: &Service, tries: usize, now: Ticks) -> usize {
    let tries = (0..tries).filter(|_| limits.admit(service, 1, now).is_ok());
    tries.count()
}

#[test]
fn a_second_holds_its_tokens_and_a_tick_gives_back_a_tenth() {
    let (mut limits, web) = (ServiceLimits::new(1), service(0, 80, rate(20)));
    let start = Ticks(7);
    assert_eq!(admitted(&mut limits, &web, 50, start), 20);
    assert_eq!(limits.admit(&web, 1, start), Err(DropReason::RateLimit));
    assert_eq!(admitted(&mut limits, &web, 50, start.after(TickSpan(1))), 2);
    assert_eq!(
        admitted(&mut limits, &web, 50, start.after(TickSpan(6))),
        10
    );
    assert_eq!(
        admitted(&mut limits, &web, 50, start.after(TickSpan(900))),
        20
    );
}

#[test]
fn less_than_one_token_a_tick_adds_up() {
    let mut bucket = Bucket::default();
    let tick = |n| Ticks(u32::MAX - 3).after(TickSpan(n));
    assert!(bucket.take(1, tick(0)) && !bucket.take(1, tick(0)));
    let taken: Vec<u32> = (1..=30).filter(|&n| bucket.take(1, tick(n))).collect();
    assert_eq!(taken, [10, 20, 30], "also across the clock's wrap");
}

#[test]
fn a_lower_rate_does_not_have_to_make_good_for_the_higher_one() {
    let mut bucket = Bucket::default();
    assert_eq!(
        (0..5000).filter(|_| bucket.take(1000, Ticks(0))).count(),
        1000
    );
    assert!(!bucket.take(1, Ticks(9)) && bucket.take(1, Ticks(19)));
}

#[test]
fn nothing_is_taken_at_no_rate() {
    assert!(!Bucket::default().take(0, Ticks(u32::MAX)));
}

#[test]
fn flows_at_a_time_are_bounded() {
    let (mut limits, web) = (ServiceLimits::new(1), service(0, 80, at_most(3)));
    assert_eq!(admitted(&mut limits, &web, 5, Ticks(0)), 3);
    assert_eq!(limits.admit(&web, 1, Ticks(0)), Err(DropReason::FlowLimit));
    end(&mut limits, &web);
    assert_eq!(admitted(&mut limits, &web, 5, Ticks(0)), 1);
    assert_eq!(limits.flows(ServiceSlot(0)), 3);
}

#[test]
fn a_flow_too_many_takes_no_token() {
    let both = Limits {
        new_flows_per_second: Some(2),
        flows: Some(1),
    };
    let (mut limits, web) = (ServiceLimits::new(1), service(0, 80, both));
    assert_eq!(admitted(&mut limits, &web, 9, Ticks(0)), 1);
    end(&mut limits, &web);
    assert_eq!(admitted(&mut limits, &web, 9, Ticks(0)), 1);
    end(&mut limits, &web);
    assert_eq!(limits.admit(&web, 1, Ticks(0)), Err(DropReason::RateLimit));
}

#[test]
fn a_bound_counts_the_flows_from_before_it_was_set() {
    let mut limits = ServiceLimits::new(1);
    let free = service(0, 80, Limits::default());
    assert_eq!(admitted(&mut limits, &free, 8, Ticks(0)), 8);
    let bounded = service(0, 80, at_most(9));
    assert_eq!(admitted(&mut limits, &bounded, 8, Ticks(0)), 1);
}

#[test]
fn another_service_in_the_slot_starts_anew() {
    let mut limits = ServiceLimits::new(1);
    let bounds = Limits {
        new_flows_per_second: Some(2),
        flows: Some(2),
    };
    let (old, new) = (service(0, 80, bounds), service(0, 81, bounds));
    assert_eq!(admitted(&mut limits, &old, 9, Ticks(0)), 2);
    assert_eq!(admitted(&mut limits, &new, 9, Ticks(0)), 2);
    end(&mut limits, &old);
    assert_eq!(limits.flows(ServiceSlot(0)), 2, "not a flow of the new one");
    end(&mut limits, &new);
    assert_eq!(limits.flows(ServiceSlot(0)), 1);
}

#[test]
fn each_worker_has_its_share_rounded_up() {
    for (all, workers, each) in [(8, 4, 2), (9, 4, 3), (1, 16, 1), (5, 1, 5)] {
        let (mut limits, web) = (ServiceLimits::new(1), service(0, 80, at_most(all)));
        let tries = (0..20).filter(|_| limits.admit(&web, workers, Ticks(0)).is_ok());
        assert_eq!(tries.count(), each, "{all} over {workers}");
    }
}

#[test]
fn slots_beyond_those_that_are_remembered_have_no_bounds() {
    let (mut limits, web) = (ServiceLimits::new(2), service(2, 80, at_most(1)));
    assert_eq!(admitted(&mut limits, &web, 5, Ticks(0)), 5);
    end(&mut limits, &web);
}

proptest! {
    /// Never more than one second's tokens at once, and never more than the rate in the long run.
    #[test]
    fn no_span_of_time_has_more_than_its_tokens(
        per_second in 1u32..400,
        steps in prop::collection::vec((0u32..15, 0usize..80), 1..60),
    ) {
        let (mut bucket, mut now, mut tokens) = (Bucket::default(), Ticks(0), f64::from(per_second));
        for (wait, tries) in steps {
            now = now.after(TickSpan(wait));
            let refill = f64::from(per_second) * f64::from(wait) / 10.0;
            tokens = (tokens + refill).min(f64::from(per_second));
            let taken = (0..tries).filter(|_| bucket.take(per_second, now)).count();
            // A hundredth makes up for the model's rounding; real steps are tenths.
            let expected = tries.min((tokens + 0.01) as usize);
            prop_assert_eq!(taken, expected);
            tokens -= taken as f64;
        }
    }
}

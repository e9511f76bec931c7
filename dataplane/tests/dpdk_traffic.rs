//! Frames through ports, inboxes and the pool: what goes in comes out, and every buffer comes home.

mod support;

use std::thread;

use dataplane::dpdk::{EalThread, IoError, Mbuf, Port, PortError, WorkerIo, build, io};
use dataplane::frame::{BURST, Burst, Frame, Io};
use support::{MBUFS, alone, burst, frame, open, packet, pool, spec, start};

/// Receives on port 0 until nothing comes; the packets' bytes.
fn drain(io: &mut WorkerIo) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut frames = Burst::new();
    loop {
        io.receive(0, &mut frames);
        if frames.is_empty() {
            return packets;
        }
        packets.extend(frames.iter().map(|frame: &Mbuf| frame.bytes().to_vec()));
        io.discard(&mut frames);
    }
}

/// Sends packets 0, 1, … on port 0 until the driver takes no more; how many it took.
fn fill(io: &mut WorkerIo) -> usize {
    let mut sent = 0;
    loop {
        let mut frames = burst(io, sent..sent + BURST);
        io.transmit(0, &mut frames);
        sent += BURST - frames.len();
        if let Some(left) = frames.first() {
            assert_eq!(left.bytes(), packet(sent), "leftovers are what comes next");
            return sent; // the leftovers are dropped one by one here
        }
    }
}

#[test]
fn what_is_sent_arrives_in_order_and_whole() {
    alone("what_is_sent_arrives_in_order_and_whole", || {
        let eal = start(&["net_ring0"]);
        let pool = pool(&eal);
        let mut port = open(&eal, "net_ring0", 1, &pool);
        let mut worker = build(&eal, std::slice::from_mut(&mut port), 1, &pool)
            .expect("one worker")
            .remove(0);
        assert_eq!((worker.ports(), worker.workers()), (1, 1));
        for _ in 0..3 {
            let sent = fill(&mut worker);
            assert!(
                sent > 900,
                "the driver's ring holds about 1024, took {sent}"
            );
            let received = drain(&mut worker);
            assert_eq!(received.len(), sent);
            assert!((0..sent).all(|number| received[number] == packet(number)));
        }
        let stats = port.stats().expect("net_ring counts");
        assert_eq!(stats.rx_packets, stats.tx_packets);
        assert!(stats.tx_packets > 2700, "{stats:?}");
        assert_eq!(pool.available(), MBUFS, "no buffer is lost");
    });
}

#[test]
fn receiving_appends_and_stops_when_full() {
    alone("receiving_appends_and_stops_when_full", || {
        let eal = start(&["net_ring0"]);
        let pool = pool(&eal);
        let mut port = open(&eal, "net_ring0", 1, &pool);
        let mut worker = build(&eal, std::slice::from_mut(&mut port), 1, &pool)
            .expect("one worker")
            .remove(0);
        for start in [1, 33] {
            let mut frames = burst(&mut worker, start..start + BURST);
            worker.transmit(0, &mut frames);
            assert!(frames.is_empty());
        }
        let mut frames = Burst::new();
        frames.push(frame(&mut worker, &packet(0)));
        worker.receive(0, &mut frames);
        worker.receive(0, &mut frames);
        assert_eq!(frames.len(), BURST);
        assert!(
            frames
                .iter()
                .enumerate()
                .all(|(number, frame)| frame.bytes() == packet(number))
        );
        worker.discard(&mut frames);
        worker.discard(&mut frames);
        assert_eq!(drain(&mut worker).len(), 2 * BURST - (BURST - 1));
        assert_eq!(pool.available(), MBUFS);
    });
}

#[test]
fn workers_hand_over_through_inboxes() {
    alone("workers_hand_over_through_inboxes", || {
        let eal = start(&["net_ring0"]);
        let pool = pool(&eal);
        let mut port = open(&eal, "net_ring0", 2, &pool);
        let mut workers =
            build(&eal, std::slice::from_mut(&mut port), 2, &pool).expect("two workers");
        let (mut second, mut first) = (workers.pop().expect("1"), workers.pop().expect("0"));
        let total = 10_000;
        let receiver = thread::spawn(move || {
            let _registered = EalThread::register(&eal).expect("a new thread");
            let mut next = 0;
            let mut frames = Burst::new();
            while next < total {
                second.receive_handoff(&mut frames);
                for frame in &frames {
                    assert_eq!(frame.bytes(), packet(next));
                    next += 1;
                }
                second.discard(&mut frames);
                thread::yield_now();
            }
            second
        });
        let mut sent = 0;
        while sent < total {
            let mut frames = burst(&mut first, sent..(sent + BURST).min(total));
            sent += frames.len();
            while !frames.is_empty() {
                first.hand_off(1, &mut frames);
                thread::yield_now();
            }
        }
        let second = receiver.join().expect("every packet in order");
        assert_eq!(pool.available(), MBUFS);
        drop((first, second));
    });
}

#[test]
fn a_full_inbox_leaves_the_rest_and_frees_what_it_holds() {
    alone(
        "a_full_inbox_leaves_the_rest_and_frees_what_it_holds",
        || {
            let eal = start(&["net_ring0"]);
            let pool = pool(&eal);
            let mut port = open(&eal, "net_ring0", 2, &pool);
            let mut workers =
                build(&eal, std::slice::from_mut(&mut port), 2, &pool).expect("two workers");
            let mut queued = 0;
            loop {
                let mut frames = burst(&mut workers[0], queued..queued + BURST);
                workers[0].hand_off(1, &mut frames);
                queued += BURST - frames.len();
                if frames.is_empty() {
                    continue;
                }
                assert_eq!(frames[0].bytes(), packet(queued));
                workers[0].discard(&mut frames);
                break;
            }
            assert_eq!(queued, io::INBOX as usize);
            assert_eq!(pool.available(), MBUFS - io::INBOX);
            drop(workers);
            assert_eq!(pool.available(), MBUFS, "the inbox freed its frames");
        },
    );
}

#[test]
fn a_worker_may_hand_over_to_itself() {
    alone("a_worker_may_hand_over_to_itself", || {
        let eal = start(&["net_ring0"]);
        let pool = pool(&eal);
        let mut port = open(&eal, "net_ring0", 1, &pool);
        let mut worker = build(&eal, std::slice::from_mut(&mut port), 1, &pool)
            .expect("one worker")
            .remove(0);
        let mut frames = burst(&mut worker, 0..3);
        worker.hand_off(0, &mut frames);
        assert!(frames.is_empty());
        worker.receive_handoff(&mut frames);
        assert_eq!(
            frames
                .iter()
                .map(|frame| frame.bytes().to_vec())
                .collect::<Vec<_>>(),
            [0, 1, 2].map(packet)
        );
    });
}

#[test]
fn buffers_of_a_closed_port_come_home() {
    alone("buffers_of_a_closed_port_come_home", || {
        let eal = start(&["net_null0", "net_ring0"]);
        let pool = pool(&eal);
        let mut ports = [
            open(&eal, "net_null0", 1, &pool),
            open(&eal, "net_ring0", 1, &pool),
        ];
        let mut worker = build(&eal, &mut ports, 1, &pool)
            .expect("one worker")
            .remove(0);
        for _ in 0..100 {
            let mut frames = Burst::new();
            worker.receive(0, &mut frames); // net_null makes packets up
            assert_eq!(frames.len(), BURST);
            assert!(
                frames
                    .iter()
                    .all(|frame| frame.is_contiguous() && frame.bytes().len() == 64)
            );
            worker.transmit(1, &mut frames);
            worker.discard(&mut frames);
        }
        drop((worker, ports));
        // net_ring's own rings keep their frames until EAL ends; the others are home
        assert!(pool.available() >= MBUFS - 1024, "{}", pool.available());
    });
}

#[test]
fn a_driver_that_lies_about_lengths_shows_nothing() {
    alone("a_driver_that_lies_about_lengths_shows_nothing", || {
        let eal = start(&["net_null0,size=60000"]); // sets data_len without looking at the buffer
        let pool = pool(&eal);
        let mut port = open(&eal, "net_null0", 1, &pool);
        let mut worker = build(&eal, std::slice::from_mut(&mut port), 1, &pool)
            .expect("one worker")
            .remove(0);
        let mut frames = Burst::new();
        worker.receive(0, &mut frames);
        assert_eq!(frames.len(), BURST);
        for frame in &mut frames {
            assert_eq!(frame.bytes(), b"");
            assert!(!frame.is_contiguous() && !frame.prepend(1) && !frame.assign(b"x"));
        }
        worker.discard(&mut frames);
        assert_eq!(pool.available(), MBUFS);
    });
}

fn refusal(result: Result<Port, PortError>) -> String {
    result.expect_err("must be refused").to_string()
}

#[test]
fn ports_that_cannot_be_say_why() {
    alone("ports_that_cannot_be_say_why", || {
        let eal = start(&["net_ring0", "net_null0"]);
        let pool = pool(&eal);
        let try_open = |spec| Port::open(&eal, &spec, &pool);
        let text = refusal(try_open(spec("net_tap7", 1)));
        assert!(
            text.contains("no device `net_tap7`") && text.contains("net_ring0"),
            "{text}"
        );
        let text = refusal(try_open(spec("net_ring0", 17)));
        assert!(
            text.contains("17 receive queues wanted") && text.contains("at most 16"),
            "{text}"
        );
        let mut wide = spec("net_ring0", 1);
        wide.mtu = 9000;
        assert!(refusal(try_open(wide.clone())).contains("lower the mtu to 2022"));
        wide.mtu = 45;
        assert!(refusal(try_open(wide)).contains("mtu 45 is outside"));
        let mut hungry = spec("net_null0", 16);
        hungry.rx_descriptors = 1024;
        let text = refusal(try_open(hungry));
        assert!(text.contains("need 16384 packet buffers"), "{text}");
        let first = open(&eal, "net_ring0,any=thing", 1, &pool);
        assert!(refusal(try_open(spec("net_ring0", 1))).contains("open already"));
        drop(first);
        assert_eq!(pool.available(), MBUFS);
    });
}

#[test]
fn workers_and_queues_must_match() {
    alone("workers_and_queues_must_match", || {
        let eal = start(&["net_ring0"]);
        let pool = pool(&eal);
        let mut ports = [open(&eal, "net_ring0", 2, &pool)];
        assert!(matches!(
            build(&eal, &mut ports, 0, &pool),
            Err(IoError::NoWorkers)
        ));
        let error = build(&eal, &mut ports, 3, &pool)
            .expect_err("two queues")
            .to_string();
        assert!(
            error.contains("2 free queue pairs for 3 workers"),
            "{error}"
        );
        let workers = build(&eal, &mut ports, 2, &pool).expect("the refusals took nothing");
        assert_eq!(workers.len(), 2);
        let error = build(&eal, &mut ports, 2, &pool)
            .expect_err("taken")
            .to_string();
        assert!(error.contains("0 free queue pairs"), "{error}");
    });
}

#[test]
fn rss_is_read_back_from_the_device() {
    alone("rss_is_read_back_from_the_device", || {
        let eal = start(&["net_null0"]);
        let pool = pool(&eal);
        let mut wanted = spec("net_null0", 3);
        wanted.rss_key = Some((1..=40).collect());
        let port = Port::open(&eal, &wanted, &pool).expect("net_null knows RSS");
        let rss = port.rss().expect("three queues");
        assert_eq!(rss.key, (1..=40).collect::<Vec<u8>>());
        assert!(!rss.redirection.is_empty());
        assert!(
            rss.redirection
                .iter()
                .enumerate()
                .all(|(entry, &queue)| usize::from(queue) == entry % 3)
        );
        assert_ne!(rss.functions, 0);
        assert!(
            !port
                .extended_stats()
                .expect("generic ones at least")
                .is_empty()
        );
    });
}

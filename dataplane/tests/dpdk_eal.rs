//! EAL: starting once, pinned helper threads, errors that help, nothing left behind.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use dataplane::dpdk::{Clock, Eal, EalError, EalThread, MempoolError, ThreadError, mempool};
use dataplane::frame::Frame;
use support::{alone, control_core, options, pin, pool, start};

/// Thread id → (name, CPUs that it may run on).
fn threads() -> BTreeMap<String, (String, String)> {
    let tasks = fs::read_dir("/proc/self/task").expect("procfs");
    tasks
        .flatten()
        .map(|task| {
            (
                task.file_name().to_string_lossy().into_owned(),
                describe(&task.path()),
            )
        })
        .collect()
}

fn describe(task: &std::path::Path) -> (String, String) {
    let status = fs::read_to_string(task.join("status")).expect("a running thread");
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.expect("a field of every status").trim().to_owned()
    };
    (value("Name:"), value("Cpus_allowed_list:"))
}

#[test]
fn helper_threads_stay_on_the_control_core() {
    alone("helper_threads_stay_on_the_control_core", || {
        let core = control_core();
        let before = threads();
        let eal = start(&["net_tap0,iface=vdtap0", "net_null0"]);
        let mut after = threads();
        after.retain(|id, _| !before.contains_key(id));
        assert!(!after.is_empty(), "EAL has an interrupt thread at least");
        for (name, allowed) in after.values() {
            assert_eq!(
                allowed,
                &core.to_string(),
                "{name} may leave the control core"
            );
        }
        drop(eal);
    });
}

#[test]
fn starts_once_per_process() {
    alone("starts_once_per_process", || {
        let eal = start(&[]);
        assert!(eal.version().starts_with("DPDK "), "{}", eal.version());
        let second = Eal::init(&options(&[]));
        assert!(
            matches!(second, Err(EalError::AlreadyStarted)),
            "{second:?}"
        );
        drop(eal);
        let third = Eal::init(&options(&[]));
        assert!(matches!(third, Err(EalError::AlreadyStarted)), "{third:?}");
    });
}

#[test]
fn insists_on_a_pinned_caller() {
    alone("insists_on_a_pinned_caller", || {
        let cpus = core_affinity::get_core_ids().expect("the CPUs of this process");
        assert!(cpus.len() > 1, "this test needs two CPUs");
        let mut wanted = options(&[]);
        let error = Eal::init(&wanted).expect_err("this thread may run on several CPUs");
        assert!(matches!(error, EalError::NotPinned { .. }), "{error}");
        pin(wanted.main_core);
        wanted.main_core += 1;
        let error = Eal::init(&wanted)
            .expect_err("pinned to another CPU")
            .to_string();
        assert!(error.contains("may run on CPUs 0"), "{error}");
        wanted.main_core -= 1;
        Eal::init(&wanted).expect("refused starts used nothing up");
    });
}

#[test]
fn a_refused_start_quotes_dpdk() {
    alone("a_refused_start_quotes_dpdk", || {
        let options = options(&["net_nonesuch0"]);
        pin(options.main_core);
        let error = Eal::init(&options)
            .expect_err("there is no such driver")
            .to_string();
        assert!(
            error.contains("--vdev=net_nonesuch0"),
            "the arguments: {error}"
        );
        assert!(
            error.contains("failed to parse device \"net_nonesuch0\""),
            "the log: {error}"
        );
    });
}

#[test]
fn in_memory_without_hugepages_is_refused() {
    alone("in_memory_without_hugepages_is_refused", || {
        let mut options = options(&[]);
        options.extra = vec!["--in-memory".into()];
        pin(options.main_core);
        let error = Eal::init(&options)
            .expect_err("--no-huge with --in-memory")
            .to_string();
        assert!(error.contains("--in-memory"), "{error}");
    });
}

#[test]
fn threads_register_once_and_again_after_leaving() {
    alone("threads_register_once_and_again_after_leaving", || {
        let eal = start(&[]);
        let main = EalThread::register(&eal);
        assert!(
            matches!(main, Err(ThreadError::AlreadyRegistered)),
            "{main:?}"
        );
        let worker = thread::spawn(move || {
            let first = EalThread::register(&eal).expect("a new thread");
            assert_ne!(first.lcore(), 0, "the main thread has 0");
            let second = EalThread::register(&eal);
            assert!(
                matches!(second, Err(ThreadError::AlreadyRegistered)),
                "{second:?}"
            );
            drop(first);
            EalThread::register(&eal)
                .expect("left and comes back")
                .lcore()
        });
        assert_ne!(worker.join().expect("no panic"), 0);
    });
}

#[test]
fn a_frame_that_outlives_everything_stays_readable() {
    alone("a_frame_that_outlives_everything_stays_readable", || {
        let eal = start(&[]);
        let pool = pool(&eal);
        let mut frame = pool.allocate().expect("a full pool");
        assert!(frame.assign(b"still here"));
        drop((pool, eal));
        assert_eq!(frame.bytes(), b"still here");
    });
}

#[test]
fn pools_count_and_refuse() {
    alone("pools_count_and_refuse", || {
        let eal = start(&[]);
        let pool = pool(&eal);
        assert_eq!(pool.available(), support::MBUFS);
        let all: Vec<_> = std::iter::from_fn(|| pool.allocate()).collect();
        assert_eq!(all.len(), support::MBUFS as usize);
        assert_eq!(pool.available(), 0);
        drop(all);
        assert_eq!(pool.available(), support::MBUFS);
        let huge = dataplane::dpdk::Mempool::new(
            &eal,
            "huge",
            10_000_000,
            0,
            mempool::DEFAULT_DATA_ROOM,
            None,
        );
        let error = huge.expect_err("128 MiB do not hold ten million buffers");
        assert!(matches!(error, MempoolError::Create { .. }), "{error}");
        assert!(error.to_string().contains("memory.size"), "{error}");
        let again =
            dataplane::dpdk::Mempool::new(&eal, "packets", 64, 0, mempool::DEFAULT_DATA_ROOM, None);
        assert!(
            again
                .expect_err("the name is taken")
                .to_string()
                .contains("File exists")
        );
    });
}

#[test]
fn the_clock_runs_forward() {
    alone("the_clock_runs_forward", || {
        let clock = Clock::new(&start(&[]));
        assert!(clock.hz() > 1_000_000, "{} Hz", clock.hz());
        let readings = [(); 1000].map(|()| clock.now());
        assert!(readings.is_sorted());
        assert!(readings[0] < readings[999]);
    });
}

//! The packet path: a sequence of packets, of time and of new tables, on a whole load balancer.
//!
//! ```text
//!  setup | kind arguments… | kind arguments… | …
//!   u8      0, 1  a frame     flags u8, length u16, bytes
//!           2     time        ticks u8
//!           3     a table     setup u8
//! ```
//! Flags: bit 0 the worker, bit 1 the port, bit 2 the frame's checksums are made right first. So
//! changed addresses and ports get past the first checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use control::check::{Pattern, Rig, Setup, Step, Suite, files};
use control::config::value::Period;
use etherparse::PacketHeaders;

use crate::judge;

/// Setups that inputs can choose, by number: only ever added to, so that old inputs keep their sense.
pub const SETUPS: &[&str] = &[
    "nat/plain",
    "nat/other",
    "nat/draining",
    "workers/two",
    "layer2/tagged",
    "layer2/two_ports",
    "layer2/one_tagged",
    "layer2/trunk",
    "drops/plain",
    "drops/no_backend",
    "drops/no_router",
    "drops/four_flows",
    "sizes/jumbo",
    "neighbors/silent",
    "ipv6/plain",
    "modes/gateway_IPv4",
    "modes/gateway_IPv6",
    "modes/dsr_IPv4",
    "modes/dsr_IPv6",
    "modes/ipip_IPv4_in_IPv4",
    "modes/ipip_IPv6_in_IPv4",
    "modes/ipip_IPv4_in_IPv6",
    "modes/ipip_IPv6_in_IPv6",
    "modes/gue_IPv4_in_IPv4",
    "modes/gue_IPv6_in_IPv4",
    "modes/gue_IPv4_in_IPv6",
    "modes/gue_IPv6_in_IPv6",
];

/// Steps of one input at most: what more of them could find, fewer find sooner.
const STEPS: usize = 64;

const WORKER: u8 = 1;
const PORT: u8 = 2;
const REPAIR: u8 = 4;

/// The packet suite.
pub(crate) static SUITES: LazyLock<Vec<Suite>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/packets");
    let found = files(&[folder.join("suite")]);
    let found = found.expect("the packet suite is in the source tree");
    let load = |path: &PathBuf| Suite::load(path).expect("the packet suite is valid");
    found.iter().map(load).collect()
});

static BY_NAME: LazyLock<BTreeMap<String, Setup>> = LazyLock::new(|| {
    let setups = SUITES.iter().flat_map(|suite| {
        let named = suite.setups.iter();
        named.map(|(name, setup)| (format!("{}/{name}", suite.name), setup.clone()))
    });
    setups.collect()
});

/// An input that is read from its front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// So many bytes, or as many as there are.
    fn bytes(&mut self, len: u16) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(self.0.len().min(len.into()));
        self.0 = rest;
        bytes
    }

    fn setup(&mut self) -> Option<&'static str> {
        Some(SETUPS[usize::from(self.byte()?) % SETUPS.len()])
    }

    fn step(&mut self, setup: &Setup) -> Option<Step> {
        Some(match self.byte()? % 4 {
            0 | 1 => self.frame(setup)?,
            2 => Step {
                advance: Some(Period::new(
                    Duration::from_millis(100) * u32::from(self.byte()?),
                )),
                ..Step::default()
            },
            _ => Step {
                publish: Some(self.setup()?.to_owned()),
                ..Step::default()
            },
        })
    }

    fn frame(&mut self, setup: &Setup) -> Option<Step> {
        let flags = self.byte()?;
        let len = u16::from_be_bytes([self.byte()?, self.byte()?]);
        let mut bytes = self.bytes(len).to_vec();
        if flags & REPAIR != 0 {
            judge::repair(&mut bytes);
        }
        Some(Step {
            frame: Some(Pattern::from(&bytes[..])),
            worker: usize::from(flags & WORKER != 0) % setup.workers,
            port: usize::from(flags & PORT != 0) % setup.port.len(),
            repeat: 1,
            ..Step::default()
        })
    }
}

/// Runs the sequence that `data` describes.
///
/// # Panics
/// A packet is not accounted for exactly once; a frame that leaves is not well formed; or its
/// checksums are wrong although those of all that came were right.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let Some(name) = input.setup() else { return };
    let setup = &BY_NAME[name];
    let mut rig = Rig::new(&BY_NAME, name);
    let mut right = true;
    for _ in 0..STEPS {
        let Some(step) = input.step(setup) else {
            return;
        };
        let bytes = step.frame.as_ref().and_then(Pattern::bytes);
        right &= bytes.is_none_or(|bytes| judge::all_is_right(&bytes));
        for (_, frame) in rig.step(&step) {
            judge_frame(&frame, right);
        }
        assert_eq!(rig.imbalance(), None);
    }
}

fn judge_frame(frame: &[u8], right: bool) {
    if let Err(error) = PacketHeaders::from_ethernet_slice(frame) {
        panic!("{error} in {frame:02x?}");
    }
    assert!(
        judge::header_is_right(frame),
        "IPv4 checksum of {frame:02x?}"
    );
    assert!(
        !right || judge::all_is_right(frame),
        "checksum of {frame:02x?}"
    );
}

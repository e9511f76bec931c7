//! How Viaduct is attached to the fabric: the same scenarios run over a TAP device of its own and over an end of a veth pair.
//!
//! ```text
//!   Tap:                  br0 ── dtap0 ──┤TAP├── Viaduct
//!   AfXdp, AfPacket:      br0 ── vdbr ══veth══ vdport ──┤AF_XDP or AF_PACKET├── Viaduct
//! ```

use std::env;

use crate::namespace::Namespace;
use crate::settings::Settings;

/// Kernel side of Viaduct's TAP port.
pub const TAP: &str = "dtap0";
/// Viaduct's end of the veth pair.
pub const VETH: &str = "vdport";

/// Chooses the attachment of scenarios that leave it open: `tap`, `af_xdp` or `af_packet`.
const ATTACHMENT_ENV: &str = "VIADUCT_TEST_ATTACHMENT";

/// The driver of Viaduct's port, and what it needs around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A TAP device, which Viaduct makes and puts on the bridge.
    Tap,
    /// An end of a veth pair, by AF_XDP.
    AfXdp,
    /// An end of a veth pair, by AF_PACKET.
    AfPacket,
}

impl Attachment {
    /// What the environment asks for; a TAP unless it does.
    ///
    /// # Panics
    /// It asks for something else.
    #[must_use]
    pub fn from_env() -> Self {
        match env::var(ATTACHMENT_ENV).as_deref() {
            Err(_) | Ok("tap") => Self::Tap,
            Ok("af_xdp") => Self::AfXdp,
            Ok("af_packet") => Self::AfPacket,
            Ok(other) => panic!("{ATTACHMENT_ENV}={other}: write tap, af_xdp or af_packet"),
        }
    }

    const fn driver(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::AfXdp => "af_xdp",
            Self::AfPacket => "af_packet",
        }
    }

    /// Makes the veth pair, with one end on the bridge.
    pub(crate) fn prepare(self, fabric: &Namespace) {
        if self == Self::Tap {
            return;
        }
        fabric.ip(&format!("link add vdbr type veth peer name {VETH}"));
        fabric.ip("link set vdbr master br0 up");
        fabric.ip(&format!("link set {VETH} up"));
        for interface in ["vdbr", VETH, "br0"] {
            self.finish_packets(fabric, interface);
        }
    }

    /// Between virtual interfaces the kernel leaves checksums and segmentation to hardware, which is not there. A TAP device does
    /// the rest itself; here the senders must.
    pub(crate) fn finish_packets(self, namespace: &Namespace, interface: &str) {
        if self != Self::Tap {
            let off = "tx off tso off gso off gro off";
            let words = ["ethtool", "-K", interface].into_iter();
            namespace.run(words.chain(off.split(' ')));
        }
    }

    /// The settings with this port instead of the TAP.
    pub(crate) fn apply(self, settings: Settings) -> Settings {
        match self {
            Self::Tap => settings,
            _ => settings.attached_by(self.driver(), VETH),
        }
    }

    /// Fails if Viaduct has left something of its port behind in the kernel.
    ///
    /// # Panics
    /// It has.
    pub fn assert_released(self, fabric: &Namespace) {
        if self == Self::Tap {
            assert!(!fabric.has_interface(TAP), "the TAP is still there");
        } else {
            let shown = fabric.ip(&format!("-d link show {VETH}"));
            assert!(
                !shown.contains("prog/xdp"),
                "an XDP program is still there: {shown}"
            );
        }
    }

    /// Whether Viaduct holds its port.
    #[must_use]
    pub fn is_held(self, fabric: &Namespace) -> bool {
        match self {
            Self::Tap => fabric.has_interface(TAP),
            Self::AfXdp => fabric
                .ip(&format!("-d link show {VETH}"))
                .contains("prog/xdp"),
            Self::AfPacket => !fabric.run(["ss", "-0Hn"]).trim().is_empty(),
        }
    }
}

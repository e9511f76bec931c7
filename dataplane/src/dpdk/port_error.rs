//! Why a port does not open, with what to do about it.

use std::ffi::NulError;

use thiserror::Error;

use super::advice;
use super::errno::Errno;
use super::log;

/// Why a port does not open. `port` is the name from the configuration.
#[derive(Debug, Error)]
pub enum PortError {
    /// The device's name cannot be passed to C.
    #[error("port `{port}`: the device's name contains a NUL byte: {source}")]
    Name {
        /// The port.
        port: String,
        /// Where.
        source: NulError,
    },
    /// EAL has no such device.
    #[error(
        "port `{port}`: DPDK has no device `{device}`; it has {available}. A PCI device must be bound to vfio-pci \
         (dpdk-devbind.py --status) and allowed; a TAP device needs /dev/net/tun and CAP_NET_ADMIN"
    )]
    NotFound {
        /// The port.
        port: String,
        /// The device asked for.
        device: String,
        /// The devices that there are.
        available: String,
    },
    /// EAL could not make the virtual device, and said why.
    #[error(
        "port `{port}`: DPDK could not make the device `{device}`{advice}\n  DPDK's log:\n{log}"
    )]
    NotMade {
        /// The port.
        port: String,
        /// The device asked for.
        device: String,
        /// What to do, after a colon; empty if unknown.
        advice: String,
        /// What DPDK logged, indented.
        log: String,
    },
    /// Two ports on one device.
    #[error(
        "port `{port}`: the device `{device}` is open already; give each port a device of its own"
    )]
    InUse {
        /// The port.
        port: String,
        /// The device.
        device: String,
    },
    /// A port without queues receives nothing.
    #[error("port `{port}`: {rx} receive and {tx} transmit queues; at least one of each is needed")]
    NoQueues {
        /// The port.
        port: String,
        /// Receive queues asked for.
        rx: u16,
        /// Transmit queues asked for.
        tx: u16,
    },
    /// More queues than the driver has.
    #[error(
        "port `{port}`: {wanted} {direction} queues wanted, but the driver {driver} has at most {maximum}; \
         give workers.cores at most {maximum} CPUs, or the port another driver"
    )]
    Queues {
        /// The port.
        port: String,
        /// "receive" or "transmit".
        direction: &'static str,
        /// Asked for.
        wanted: u16,
        /// What the driver has.
        maximum: u16,
        /// The driver.
        driver: String,
    },
    /// The TAP driver pairs queues.
    #[error("port `{port}`: {driver} needs as many transmit as receive queues, not {tx} and {rx}")]
    UnequalQueues {
        /// The port.
        port: String,
        /// Receive queues asked for.
        rx: u16,
        /// Transmit queues asked for.
        tx: u16,
        /// The driver.
        driver: String,
    },
    /// The MTU is outside of the driver's range.
    #[error(
        "port `{port}`: mtu {mtu} is outside of what the driver {driver} can do ({minimum} to {maximum})"
    )]
    Mtu {
        /// The port.
        port: String,
        /// Asked for.
        mtu: u16,
        /// The driver's smallest.
        minimum: u16,
        /// The driver's largest.
        maximum: u16,
        /// The driver.
        driver: String,
    },
    /// The kernel refused the interface's MTU.
    #[error(
        "port `{port}`: cannot set the mtu of the interface `{interface}` to {mtu}: {error}; lower the port's mtu to what \
         the interface can do (`ip -d link show {interface}`: maxmtu)"
    )]
    InterfaceMtu {
        /// The port.
        port: String,
        /// The kernel's interface.
        interface: String,
        /// Asked for.
        mtu: u16,
        /// The kernel's word.
        error: std::io::Error,
    },
    /// AF_XDP's buffers are the packet buffers, and the kernel takes none above a page.
    #[error(
        "port `{port}`: AF_XDP needs packet buffers of at most {page} bytes, but they have {size}, because of the largest \
         mtu of all ports; lower that to {largest}, or use driver = \"af_packet\" here"
    )]
    XdpBuffers {
        /// The port.
        port: String,
        /// Bytes of a page.
        page: u32,
        /// Bytes of a whole buffer.
        size: u32,
        /// The largest MTU that fits.
        largest: u16,
    },
    /// A full frame would continue in a second buffer, which the data plane does not read.
    #[error(
        "port `{port}`: a frame of mtu {mtu} takes {frame} bytes, but a packet buffer holds {room}; \
         lower the mtu to {largest} or make the buffers larger"
    )]
    MtuExceedsBuffers {
        /// The port.
        port: String,
        /// Asked for.
        mtu: u16,
        /// The MTU with Ethernet's overhead.
        frame: u32,
        /// What a buffer holds.
        room: u16,
        /// The largest MTU that fits.
        largest: u16,
    },
    /// The receive queues alone would empty the pool.
    #[error(
        "port `{port}`: its receive queues need {needed} packet buffers, but there are {available} left of {capacity}; \
         raise memory.mbufs or lower the number of descriptors"
    )]
    PoolTooSmall {
        /// The port.
        port: String,
        /// Descriptors over all queues.
        needed: u32,
        /// Buffers at home now.
        available: u32,
        /// Buffers of the pool.
        capacity: u32,
    },
    /// The RSS key is longer than the NIC's.
    #[error("port `{port}`: an RSS key of {given} bytes, but the driver {driver} takes {expected}")]
    RssKey {
        /// The port.
        port: String,
        /// Bytes given.
        given: usize,
        /// Bytes that the NIC has.
        expected: u8,
        /// The driver.
        driver: String,
    },
    /// DPDK refused a step.
    #[error("port `{port}`: cannot {step}: {errno}")]
    Refused {
        /// The port.
        port: String,
        /// What was tried.
        step: &'static str,
        /// What DPDK said.
        errno: Errno,
    },
    /// DPDK refused a step while the port was opened, and had something to say about it.
    #[error("{source}{advice}\n  DPDK's log:\n{log}")]
    Open {
        /// The step.
        source: Box<PortError>,
        /// What to do, after a colon; empty if unknown.
        advice: String,
        /// What DPDK logged, indented.
        log: String,
    },
}

impl PortError {
    /// Adds DPDK's log to a refusal; the other errors say everything themselves.
    pub(super) fn with_log(self, log: &str) -> Self {
        match self {
            Self::Refused { .. } if !log.is_empty() => Self::Open {
                source: Box::new(self),
                advice: advice_on(log),
                log: log::indent(log),
            },
            other => other,
        }
    }

    /// A virtual device that could not be made, with what DPDK logged about it.
    pub(super) fn not_made(port: &str, device: &str, log: &str) -> Self {
        Self::NotMade {
            advice: advice_on(log),
            log: log::indent(log),
            port: port.to_owned(),
            device: device.to_owned(),
        }
    }

    /// Turns a missing device into one that could not be made, if EAL's log says so.
    pub(super) fn with_startup_log(self, log: &str) -> Self {
        match self {
            Self::NotFound {
                port,
                device,
                available,
            } => match advice::failure(log, &device) {
                Some(lines) => Self::not_made(&port, &device, &lines),
                None => Self::NotFound {
                    port,
                    device,
                    available,
                },
            },
            other => other,
        }
    }
}

fn advice_on(log: &str) -> String {
    let advice = advice::advice(log);
    advice.map_or_else(String::new, |advice| format!(": {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_quotes_dpdk_if_it_said_anything() {
        let refused = || PortError::Refused {
            port: "fabric".into(),
            step: "start it",
            errno: Errno(12),
        };
        let text = refused().with_log("ixgbe: no memory\n").to_string();
        assert_eq!(
            text,
            "port `fabric`: cannot start it: Cannot allocate memory (12)\n  DPDK's log:\n    ixgbe: no memory"
        );
        assert!(!refused().with_log("").to_string().contains("log"));
    }

    #[test]
    fn a_device_that_could_not_be_made_says_why() {
        let missing = || PortError::NotFound {
            port: "fabric".into(),
            device: "net_af_xdp0".into(),
            available: "none".into(),
        };
        let log = "init(): Failed to get channel info of interface: eth7\n\
                   vdev_probe(): failed to initialize net_af_xdp0 device\n";
        let text = missing().with_startup_log(log).to_string();
        assert!(
            text.contains(
                "could not make the device `net_af_xdp0`: there is no such network interface"
            ),
            "{text}"
        );
        assert!(text.ends_with("interface: eth7"), "{text}");
        let text = missing().with_startup_log("").to_string();
        assert!(text.contains("it has none"), "{text}");
    }
}

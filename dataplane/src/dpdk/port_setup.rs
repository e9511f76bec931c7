//! What to ask of a device, given what it can do. Pure: no call into DPDK.

use dpdk_sys as sys;

use super::kernel::KernelInterface;
use super::mempool::HEADROOM;
use super::port::PortSpec;
use super::port_error::PortError;

/// The TAP driver's name, which has rules of its own.
const TAP: &str = "net_tap";

/// The AF_PACKET driver, which hides how large its frames may be.
const AF_PACKET: &str = "net_af_packet";

/// The AF_XDP driver, whose receive rings are of its own size and whose buffers the kernel fills.
const AF_XDP: &str = "net_af_xdp";
/// Packet buffers that each of its queues holds, whatever number of descriptors is asked for.
const AF_XDP_HELD: u16 = 2048;
/// Bytes that the kernel keeps free in front of a frame (XDP_PACKET_HEADROOM), besides DPDK's own headroom.
pub const XDP_HEADROOM: u16 = 256;
/// DPDK's bookkeeping in front of each buffer: its header in the pool and the `rte_mbuf`.
const BUFFER_HEADER: u32 = CACHE_LINE + 128;
const CACHE_LINE: u32 = 64;

/// Bytes of a frame besides the MTU that drivers count: Ethernet header, CRC and two VLAN tags.
pub const FRAME_OVERHEAD: u16 =
    (sys::RTE_ETHER_HDR_LEN + sys::RTE_ETHER_CRC_LEN + 2 * sys::RTE_VLAN_HLEN) as u16;
const OVERHEAD: u32 = FRAME_OVERHEAD as u32;

/// What a device can do, out of its driver's `rte_eth_dev_info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) driver: String,
    pub(super) mtu: (u16, u16),
    /// Largest frame in bytes, with CRC.
    pub(super) frame: u32,
    /// The kernel's interface behind a virtual device.
    pub(super) interface: Option<KernelInterface>,
    pub(super) rx_queues: u16,
    pub(super) tx_queues: u16,
    pub(super) rx_offloads: u64,
    pub(super) tx_offloads: u64,
    pub(super) rss_functions: u64,
    /// 0: the driver does not say.
    pub(super) rss_key_size: u8,
    /// Entries of the redirection table; 0 without one.
    pub(super) redirection_size: u16,
}

/// The offloads of a port. Receive offloads are switched on where there are any; transmit
/// offloads are only reported, because the packet path updates checksums incrementally, which costs less
/// than the drivers' slower transmit functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// The port checks IPv4 header checksums of received packets (switched on).
    pub rx_ipv4_checksum: bool,
    /// The port leaves the RSS hash with received packets (switched on with several queues).
    pub rx_rss_hash: bool,
    /// The port could fill in IPv4 header checksums (not switched on).
    pub tx_ipv4_checksum: bool,
    /// The port could fill in TCP checksums (not switched on).
    pub tx_tcp_checksum: bool,
    /// The port could fill in UDP checksums (not switched on).
    pub tx_udp_checksum: bool,
}

/// What to configure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setup {
    /// The MTU for DPDK.
    pub(super) mtu: u16,
    /// The MTU to set by way of the kernel, where DPDK cannot.
    pub(super) interface_mtu: Option<(KernelInterface, u16)>,
    /// Packet buffers that a receive queue holds at least.
    pub(super) held_per_queue: u16,
    pub(super) offloads: Offloads,
    pub(super) rx_offloads: u64,
    pub(super) rss: Option<RssRequest>,
}

/// The RSS to configure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RssRequest {
    pub(super) functions: u64,
    pub(super) key: Option<Vec<u8>>,
}

/// The device's name in a device string: `net_tap0,iface=dtap0` → `net_tap0`.
pub(super) fn device_name(device: &str) -> &str {
    device.split(',').next().unwrap_or(device)
}

/// Decides, or says what the device cannot do. `room` is what a packet buffer holds.
pub(super) fn plan(spec: &PortSpec, can: &Capabilities, room: u16) -> Result<Setup, PortError> {
    check_queues(spec, can)?;
    check_mtu(spec, can, room)?;
    let (mtu, interface_mtu) = plan_mtu(spec, can);
    let rss = plan_rss(spec, can)?;
    let mut wanted = sys::VD_RX_OFFLOAD_IPV4_CKSUM;
    if rss.is_some() {
        wanted |= sys::VD_RX_OFFLOAD_RSS_HASH;
    }
    let rx_offloads = wanted & can.rx_offloads;
    Ok(Setup {
        mtu,
        interface_mtu,
        held_per_queue: if can.driver == AF_XDP { AF_XDP_HELD } else { 0 },
        offloads: report(rx_offloads, can.tx_offloads),
        rx_offloads,
        rss,
    })
}

const fn report(rx: u64, tx: u64) -> Offloads {
    Offloads {
        rx_ipv4_checksum: rx & sys::VD_RX_OFFLOAD_IPV4_CKSUM != 0,
        rx_rss_hash: rx & sys::VD_RX_OFFLOAD_RSS_HASH != 0,
        tx_ipv4_checksum: tx & sys::VD_TX_OFFLOAD_IPV4_CKSUM != 0,
        tx_tcp_checksum: tx & sys::VD_TX_OFFLOAD_TCP_CKSUM != 0,
        tx_udp_checksum: tx & sys::VD_TX_OFFLOAD_UDP_CKSUM != 0,
    }
}

fn check_queues(spec: &PortSpec, can: &Capabilities) -> Result<(), PortError> {
    let (rx, tx) = (spec.rx_queues, spec.tx_queues);
    if rx == 0 || tx == 0 {
        let port = spec.name.clone();
        return Err(PortError::NoQueues { port, rx, tx });
    }
    check_maximum(spec, can, "receive", rx, can.rx_queues)?;
    check_maximum(spec, can, "transmit", tx, can.tx_queues)?;
    if can.driver == TAP && rx != tx {
        return Err(PortError::UnequalQueues {
            port: spec.name.clone(),
            rx,
            tx,
            driver: can.driver.clone(),
        });
    }
    Ok(())
}

fn check_maximum(
    spec: &PortSpec,
    can: &Capabilities,
    direction: &'static str,
    wanted: u16,
    maximum: u16,
) -> Result<(), PortError> {
    if wanted <= maximum {
        return Ok(());
    }
    Err(PortError::Queues {
        port: spec.name.clone(),
        direction,
        wanted,
        maximum,
        driver: can.driver.clone(),
    })
}

fn check_mtu(spec: &PortSpec, can: &Capabilities, room: u16) -> Result<(), PortError> {
    let (minimum, maximum) = (can.mtu.0, largest_mtu(can));
    if spec.mtu < minimum || spec.mtu > maximum {
        return Err(PortError::Mtu {
            port: spec.name.clone(),
            mtu: spec.mtu,
            minimum,
            maximum,
            driver: can.driver.clone(),
        });
    }
    let taken = if can.driver == AF_XDP {
        XDP_HEADROOM
    } else {
        0
    };
    let room = room.saturating_sub(taken);
    let frame = u32::from(spec.mtu) + OVERHEAD;
    if frame > u32::from(room) {
        return Err(PortError::MtuExceedsBuffers {
            port: spec.name.clone(),
            mtu: spec.mtu,
            frame,
            room,
            largest: room.saturating_sub(OVERHEAD as u16),
        });
    }
    Ok(())
}

/// The driver's largest MTU: by its word, and by its largest frame. AF_PACKET says that this is Ethernet's usual, although
/// it takes whatever fits the frames of its ring.
fn largest_mtu(can: &Capabilities) -> u16 {
    let ethernet = sys::RTE_ETHER_HDR_LEN + sys::RTE_ETHER_CRC_LEN;
    match can.frame.checked_sub(ethernet) {
        Some(mtu) if can.driver != AF_PACKET => {
            can.mtu.1.min(u16::try_from(mtu).unwrap_or(u16::MAX))
        }
        _ => can.mtu.1,
    }
}

/// DPDK refuses AF_PACKET an MTU above the usual (see [`largest_mtu`]): DPDK keeps the usual one, and the kernel's interface
/// gets the MTU that is wanted.
fn plan_mtu(spec: &PortSpec, can: &Capabilities) -> (u16, Option<(KernelInterface, u16)>) {
    const USUAL: u16 = 1500;
    match can.interface {
        Some(interface) if can.driver == AF_PACKET && spec.mtu > USUAL => {
            (USUAL, Some((interface, spec.mtu)))
        }
        _ => (spec.mtu, None),
    }
}

/// The kernel takes whole buffers, with DPDK's bookkeeping, and none above a page (XDP_UMEM_REG).
pub(super) fn check_xdp_buffers(
    spec: &PortSpec,
    can: &Capabilities,
    room: u16,
    page: u32,
) -> Result<(), PortError> {
    // DPDK makes it an odd number of cache lines, which spreads buffers over memory channels.
    let lines = (BUFFER_HEADER + u32::from(HEADROOM) + u32::from(room)).div_ceil(CACHE_LINE);
    let size = (lines | 1) * CACHE_LINE;
    if can.driver != AF_XDP || size <= page {
        return Ok(());
    }
    let others =
        CACHE_LINE + BUFFER_HEADER + u32::from(HEADROOM) + u32::from(XDP_HEADROOM) + OVERHEAD;
    Err(PortError::XdpBuffers {
        port: spec.name.clone(),
        page,
        size,
        largest: u16::try_from(page.saturating_sub(others)).unwrap_or(u16::MAX),
    })
}

/// RSS over addresses and ports, as far as the driver has it. The TAP driver claims hash functions, but
/// implements them with kernel filters that may not be there, and the kernel spreads flows by a hash of its
/// own: no RSS that anybody could compute.
fn plan_rss(spec: &PortSpec, can: &Capabilities) -> Result<Option<RssRequest>, PortError> {
    let functions = can.rss_functions & (sys::VD_RSS_IP | sys::VD_RSS_TCP | sys::VD_RSS_UDP);
    if spec.rx_queues == 1 || functions == 0 || can.driver == TAP {
        return Ok(None);
    }
    let key = spec.rss_key.as_deref().map(|key| fit_key(spec, can, key));
    let key = key.transpose()?;
    Ok(Some(RssRequest { functions, key }))
}

/// Some NICs have longer keys than the usual 40 bytes. Toeplitz reads only as many key bits as the input
/// has, plus 32, so zeros at the end change no hash of addresses and ports.
fn fit_key(spec: &PortSpec, can: &Capabilities, key: &[u8]) -> Result<Vec<u8>, PortError> {
    let size = usize::from(can.rss_key_size);
    if size != 0 && key.len() > size {
        return Err(PortError::RssKey {
            port: spec.name.clone(),
            given: key.len(),
            expected: can.rss_key_size,
            driver: can.driver.clone(),
        });
    }
    let mut key = key.to_vec();
    key.resize(key.len().max(size), 0);
    Ok(key)
}

#[cfg(test)]
mod tests;

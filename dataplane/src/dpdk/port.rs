//! A port: one Ethernet device, opened as its [`PortSpec`] says, with a queue pair for each worker.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::{iter, ptr};

use dpdk_sys as sys;

use super::device::{Device, text};
use super::eal::Eal;
use super::hotplug;
use super::kernel::{self, KernelInterface, LinkFault};
use super::log;
use super::mempool::Mempool;
use super::port_error::PortError;
use super::port_setup::{self, Offloads};
use super::queue::Queue;
use super::rss::Rss;

/// What to open and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSpec {
    /// The port's name in configuration, logs and errors.
    pub name: String,
    /// The device: a virtual device's name or whole string, or a PCI address.
    pub device: String,
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Descriptors of each receive queue, moved into the driver's limits.
    pub rx_descriptors: u16,
    /// Descriptors of each transmit queue, moved into the driver's limits.
    pub tx_descriptors: u16,
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// Toeplitz key for RSS; the driver's own if `None`.
    pub rss_key: Option<Vec<u8>>,
    /// Receive frames for any address.
    pub promiscuous: bool,
    /// Receive all multicast frames, as IPv6 neighbor discovery needs (RFC 4861 section 2.3).
    pub multicast: bool,
}

impl PortSpec {
    /// One queue pair of 1024 descriptors each, MTU 1500, not promiscuous.
    #[must_use]
    pub fn new(name: &str, device: &str) -> Self {
        Self {
            name: name.to_owned(),
            device: device.to_owned(),
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: 1500,
            rss_key: None,
            promiscuous: false,
            multicast: false,
        }
    }
}

/// The state of a port's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether frames can pass.
    pub up: bool,
    /// Mbit/s; `None` if the driver does not know. Virtual drivers make one up.
    pub speed: Option<u32>,
    /// Why it is down.
    pub fault: Option<LinkFault>,
}

/// The driver's counters since the port was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets lost because nobody polled in time.
    pub rx_missed: u64,
    /// Packets received in error.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets lost because the pool was empty.
    pub rx_no_mbuf: u64,
}

/// An open port. It may move between threads, but only one at a time may ask it anything, because drivers' control
/// functions do not lock; its queues are independent of it.
#[derive(Debug)]
pub struct Port {
    device: Arc<Device>,
    name: String,
    driver: String,
    offloads: Offloads,
    rss: Option<Rss>,
    interface: Option<KernelInterface>,
    mac: [u8; 6],
    queues: Vec<Queue>,
    startup_log: String,
    _not_sync: PhantomData<Cell<()>>,
}

impl Port {
    /// Opens and starts the port; it receives into buffers of `pool` from here on.
    ///
    /// # Errors
    /// [`PortError`]. What the device cannot do is found before anything is changed.
    pub fn open(eal: &Eal, spec: &PortSpec, pool: &Mempool) -> Result<Self, PortError> {
        let (opened, log) = log::collect(|| Self::open_quietly(spec, pool));
        let explain = |error: PortError| error.with_log(&log).with_startup_log(eal.startup_log());
        let mut port = opened.map_err(explain)?;
        port.startup_log = log;
        Ok(port)
    }

    /// Makes the virtual device of `spec`, which has that name, with these arguments
    /// (`key=value,…`), and opens it.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn make(
        eal: &Eal,
        spec: &PortSpec,
        arguments: &str,
        pool: &Mempool,
    ) -> Result<Self, PortError> {
        hotplug::make(eal, &spec.name, &spec.device, arguments)?;
        Self::open(eal, spec, pool)
    }

    fn open_quietly(spec: &PortSpec, pool: &Mempool) -> Result<Self, PortError> {
        let mut device = Device::claim(spec, pool)?;
        let can = device.capabilities()?;
        let setup = port_setup::plan(spec, &can, pool.room())?;
        port_setup::check_xdp_buffers(spec, &can, pool.room(), kernel::page_size())?;
        device.bring_up(spec, &setup)?;
        let rss = setup.rss.as_ref();
        let rss = rss.map(|wanted| Rss::activate(&device, &can, wanted, spec.rx_queues));
        let (rss, mac) = (rss.transpose()?, read_mac(&device)?);
        let device = Arc::new(device);
        let pairs = 0..spec.rx_queues.min(spec.tx_queues);
        Ok(Self {
            queues: pairs.map(|index| Queue::new(&device, index)).collect(),
            device,
            name: spec.name.clone(),
            driver: can.driver,
            offloads: setup.offloads,
            rss,
            interface: can.interface,
            mac,
            startup_log: String::new(),
            _not_sync: PhantomData,
        })
    }

    /// The port's name from its [`PortSpec`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The driver's name, as `net_tap`.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// What DPDK logged while the port came up (warnings and worse), for the caller's log.
    #[must_use]
    pub fn startup_log(&self) -> &str {
        &self.startup_log
    }

    /// What the port does by itself, and could do.
    #[must_use]
    pub const fn offloads(&self) -> Offloads {
        self.offloads
    }

    /// How the port spreads packets over its queues; `None` with one queue, or if nobody can compute it.
    #[must_use]
    pub const fn rss(&self) -> Option<&Rss> {
        self.rss.as_ref()
    }

    /// The port's Ethernet address.
    #[must_use]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The pool that the port receives into.
    #[must_use]
    pub fn pool(&self) -> &Mempool {
        self.device.pool()
    }

    /// The queue pairs; an empty list when they were taken before.
    #[must_use]
    pub fn take_queues(&mut self) -> Vec<Queue> {
        std::mem::take(&mut self.queues)
    }

    /// Queue pairs not taken yet.
    #[must_use]
    pub const fn free_queues(&self) -> usize {
        self.queues.len()
    }

    /// The link's state now, without waiting for negotiation: the driver's word, and the kernel's where there is an
    /// interface of the kernel's, because AF_XDP and AF_PACKET always say that they are up.
    ///
    /// # Errors
    /// [`PortError::Refused`] if the driver cannot tell.
    pub fn link(&self) -> Result<Link, PortError> {
        let mut link = sys::rte_eth_link::default();
        // SAFETY: open port; a valid place.
        let code = unsafe { sys::rte_eth_link_get_nowait(self.device.id(), &raw mut link) };
        self.device.step("read the link's state", code)?;
        let known = !matches!(link.link_speed, 0 | u32::MAX);
        let down = (link.link_status() == 0).then_some(LinkFault::Down);
        let fault = self.interface.and_then(KernelInterface::fault).or(down);
        Ok(Link {
            up: fault.is_none(),
            speed: known.then_some(link.link_speed),
            fault,
        })
    }

    /// The driver's counters.
    ///
    /// # Errors
    /// [`PortError::Refused`] if the driver has none.
    pub fn stats(&self) -> Result<PortStats, PortError> {
        let mut stats = sys::rte_eth_stats::default();
        // SAFETY: open port; a valid place.
        let code = unsafe { sys::rte_eth_stats_get(self.device.id(), &raw mut stats) };
        self.device.step("read the counters", code)?;
        Ok(PortStats {
            rx_packets: stats.ipackets,
            tx_packets: stats.opackets,
            rx_bytes: stats.ibytes,
            tx_bytes: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
            rx_no_mbuf: stats.rx_nombuf,
        })
    }

    /// The driver's own counters by name: what a NIC knows beyond [`Port::stats`]. Allocates; for diagnosis.
    ///
    /// # Errors
    /// [`PortError::Refused`] if the driver cannot list them.
    pub fn extended_stats(&self) -> Result<Vec<(String, u64)>, PortError> {
        let id = self.device.id();
        // SAFETY: with no room the driver only says how many there are.
        let count = unsafe { sys::rte_eth_xstats_get_names(id, ptr::null_mut(), 0) };
        self.device.step("count the extended counters", count)?;
        let room = count.unsigned_abs();
        let mut names: Vec<_> =
            iter::repeat_n(sys::rte_eth_xstat_name::default(), room as usize).collect();
        // SAFETY: room for `room` names.
        let code = unsafe { sys::rte_eth_xstats_get_names(id, names.as_mut_ptr(), room) };
        self.device.step("name the extended counters", code)?;
        let mut values: Vec<_> =
            iter::repeat_n(sys::rte_eth_xstat::default(), room as usize).collect();
        // SAFETY: room for `room` values.
        let code = unsafe { sys::rte_eth_xstats_get(id, values.as_mut_ptr(), room) };
        self.device.step("read the extended counters", code)?;
        let named = |value: &sys::rte_eth_xstat| {
            let name = names.get(usize::try_from(value.id).ok()?)?;
            Some((text(&name.name), value.value))
        };
        Ok(values.iter().filter_map(named).collect())
    }
}

fn read_mac(device: &Device) -> Result<[u8; 6], PortError> {
    let mut address = sys::rte_ether_addr::default();
    // SAFETY: open port; a valid place.
    let code = unsafe { sys::rte_eth_macaddr_get(device.id(), &raw mut address) };
    device.step("read the Ethernet address", code)?;
    Ok(address.addr_bytes)
}

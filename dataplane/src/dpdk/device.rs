//! One Ethernet device of DPDK: the calls, in the order in which they must come.
//!
//! A [`Device`] is claimed while it exists, so that nobody reconfigures a device whose queues are in
//! use. It is stopped and closed when its last user (port or queue) is gone. The control calls
//! are not safe from several threads; [`super::port::Port`], which makes them, is not `Sync`.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_uint};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use dpdk_sys as sys;

use super::errno::{Errno, check};
use super::kernel::{self, KernelInterface};
use super::mempool::Mempool;
use super::port::PortSpec;
use super::port_error::PortError;
use super::port_setup::{Capabilities, Setup, device_name};

/// Devices that are open.
static CLAIMED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A claimed device, with the pool that its receive queues draw from.
#[derive(Debug)]
pub(super) struct Device {
    id: u16,
    port: String,
    pool: Mempool,
    /// Set as soon as there is something to stop and close.
    configured: bool,
}

impl Device {
    /// Finds the device of `spec` and claims it.
    pub(super) fn claim(spec: &PortSpec, pool: &Mempool) -> Result<Self, PortError> {
        let id = find(spec)?;
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        if !claimed.insert(id) {
            return Err(PortError::InUse {
                port: spec.name.clone(),
                device: device_name(&spec.device).to_owned(),
            });
        }
        Ok(Self {
            id,
            port: spec.name.clone(),
            pool: pool.clone(),
            configured: false,
        })
    }

    pub(super) const fn id(&self) -> u16 {
        self.id
    }

    pub(super) const fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// Turns a return code into an error that says which step it was.
    pub(super) fn step(&self, step: &'static str, code: i32) -> Result<(), PortError> {
        check(code).map_err(|errno| PortError::Refused {
            port: self.port.clone(),
            step,
            errno,
        })
    }

    /// The same, where the driver may not have the function at all.
    pub(super) fn optional_step(&self, step: &'static str, code: i32) -> Result<(), PortError> {
        match Errno::from_return(code) {
            Errno(libc::ENOTSUP | libc::ENOSYS) => Ok(()),
            _ => self.step(step, code),
        }
    }

    pub(super) fn capabilities(&self) -> Result<Capabilities, PortError> {
        let mut info = sys::rte_eth_dev_info::default();
        // SAFETY: EAL is up (the pool holds it); `info` is a valid place.
        let code = unsafe { sys::rte_eth_dev_info_get(self.id, &raw mut info) };
        self.step("read the device's capabilities", code)?;
        Ok(Capabilities {
            driver: static_text(info.driver_name),
            mtu: (info.min_mtu, info.max_mtu),
            frame: info.max_rx_pktlen,
            interface: KernelInterface::new(info.if_index),
            rx_queues: info.max_rx_queues,
            tx_queues: info.max_tx_queues,
            rx_offloads: info.rx_offload_capa,
            tx_offloads: info.tx_offload_capa,
            rss_functions: info.flow_type_rss_offloads,
            rss_key_size: info.hash_key_size,
            redirection_size: info.reta_size,
        })
    }

    /// Configures, sets the queues up and starts: the device receives from here on.
    pub(super) fn bring_up(&mut self, spec: &PortSpec, setup: &Setup) -> Result<(), PortError> {
        self.configure(spec, setup)?;
        self.set_mtu(setup.mtu)?;
        self.set_interface_mtu(setup)?;
        let (rx, tx) = self.descriptors(spec)?;
        self.check_pool(spec, setup.held_per_queue.max(rx))?;
        let socket = self.socket();
        for queue in 0..spec.rx_queues {
            self.setup_receive(queue, rx, socket)?;
        }
        for queue in 0..spec.tx_queues {
            self.setup_transmit(queue, tx, socket)?;
        }
        // SAFETY: configured and with all queues set up, by this thread alone.
        let code = unsafe { sys::rte_eth_dev_start(self.id) };
        self.step("start it", code)?;
        self.set_promiscuous(spec.promiscuous)?;
        self.receive_multicast(spec.multicast)
    }

    fn configure(&mut self, spec: &PortSpec, setup: &Setup) -> Result<(), PortError> {
        let mut config = sys::rte_eth_conf::default();
        config.rxmode.mtu = u32::from(setup.mtu);
        config.rxmode.offloads = setup.rx_offloads;
        let mut key = setup.rss.as_ref().and_then(|rss| rss.key.clone());
        if let Some(rss) = &setup.rss {
            config.rxmode.mq_mode = sys::VD_RX_MQ_RSS;
            config.rx_adv_conf.rss_conf.rss_hf = rss.functions;
        }
        if let Some(key) = &mut key {
            config.rx_adv_conf.rss_conf.rss_key = key.as_mut_ptr();
            config.rx_adv_conf.rss_conf.rss_key_len = key.len() as u8; // at most a hash_key_size, a u8
        }
        self.configured = true;
        // SAFETY: claimed, so nobody uses the device; `config` and the key it points to outlive the call, which copies them.
        let code = unsafe {
            sys::rte_eth_dev_configure(self.id, spec.rx_queues, spec.tx_queues, &raw const config)
        };
        self.step("configure it", code)
    }

    /// Virtual devices without an MTU of their own take what comes.
    fn set_mtu(&self, mtu: u16) -> Result<(), PortError> {
        // SAFETY: claimed and configured, not started.
        let code = unsafe { sys::rte_eth_dev_set_mtu(self.id, mtu) };
        self.optional_step("set the mtu", code)
    }

    /// The MTU that DPDK cannot set, set by way of the kernel.
    fn set_interface_mtu(&self, setup: &Setup) -> Result<(), PortError> {
        let Some((interface, mtu)) = setup.interface_mtu else {
            return Ok(());
        };
        let set = interface.set_mtu(mtu);
        set.map_err(|error| PortError::InterfaceMtu {
            port: self.port.clone(),
            interface: kernel::name(interface).unwrap_or_default(),
            mtu,
            error,
        })
    }

    /// The wanted numbers of descriptors, moved into the driver's limits.
    fn descriptors(&self, spec: &PortSpec) -> Result<(u16, u16), PortError> {
        let (mut rx, mut tx) = (spec.rx_descriptors, spec.tx_descriptors);
        // SAFETY: two valid places, read and written during the call only.
        let code =
            unsafe { sys::rte_eth_dev_adjust_nb_rx_tx_desc(self.id, &raw mut rx, &raw mut tx) };
        self.step("adjust the number of descriptors", code)?;
        Ok((rx, tx))
    }

    fn check_pool(&self, spec: &PortSpec, descriptors: u16) -> Result<(), PortError> {
        let needed = u32::from(descriptors) * u32::from(spec.rx_queues);
        let available = self.pool.available();
        if needed < available {
            return Ok(());
        }
        Err(PortError::PoolTooSmall {
            port: self.port.clone(),
            needed,
            available,
            capacity: self.pool.capacity(),
        })
    }

    /// The device's NUMA node, or any.
    fn socket(&self) -> c_uint {
        // SAFETY: any port id is allowed.
        let socket = unsafe { sys::rte_eth_dev_socket_id(self.id) };
        c_uint::try_from(socket).unwrap_or(c_uint::MAX)
    }

    fn setup_receive(&self, queue: u16, descriptors: u16, socket: c_uint) -> Result<(), PortError> {
        // SAFETY: claimed, configured with more queues than `queue`, not started; a null configuration means the driver's
        // own; the pool outlives the device, which holds it.
        let code = unsafe {
            sys::rte_eth_rx_queue_setup(
                self.id,
                queue,
                descriptors,
                socket,
                ptr::null(),
                self.pool.as_ptr(),
            )
        };
        self.step("set a receive queue up", code)
    }

    fn setup_transmit(
        &self,
        queue: u16,
        descriptors: u16,
        socket: c_uint,
    ) -> Result<(), PortError> {
        // SAFETY: as in `setup_receive`.
        let code = unsafe {
            sys::rte_eth_tx_queue_setup(self.id, queue, descriptors, socket, ptr::null())
        };
        self.step("set a transmit queue up", code)
    }

    fn set_promiscuous(&self, on: bool) -> Result<(), PortError> {
        if on {
            // SAFETY: claimed and started.
            let code = unsafe { sys::rte_eth_promiscuous_enable(self.id) };
            return self.step("receive in promiscuous mode", code);
        }
        // SAFETY: claimed and started.
        let code = unsafe { sys::rte_eth_promiscuous_disable(self.id) };
        self.optional_step("leave promiscuous mode", code)
    }

    /// Drivers without a multicast filter receive all of it anyway.
    fn receive_multicast(&self, on: bool) -> Result<(), PortError> {
        if !on {
            return Ok(());
        }
        // SAFETY: claimed and started.
        let code = unsafe { sys::rte_eth_allmulticast_enable(self.id) };
        self.optional_step("receive multicast frames", code)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.configured {
            // SAFETY: the last user is gone, so no thread is in a burst on it; stopping twice or before the start is allowed.
            // The results would change nothing.
            unsafe { sys::rte_eth_dev_stop(self.id) };
            // SAFETY: stopped; its buffers go back to the pool, which this value still holds.
            unsafe { sys::rte_eth_dev_close(self.id) };
        }
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.remove(&self.id);
    }
}

fn find(spec: &PortSpec) -> Result<u16, PortError> {
    let device = device_name(&spec.device);
    let name = CString::new(device).map_err(|source| PortError::Name {
        port: spec.name.clone(),
        source,
    })?;
    let mut id = 0;
    // SAFETY: a NUL-terminated name and a valid place; EAL is up, since the caller has a pool.
    let code = unsafe { sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) };
    check(code).map_err(|_| PortError::NotFound {
        port: spec.name.clone(),
        device: device.to_owned(),
        available: list(&names()),
    })?;
    Ok(id)
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names.join(", ")
}

/// The names of all devices.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    let mut id = 0;
    loop {
        // SAFETY: any number is allowed; returns the next valid one, or RTE_MAX_ETHPORTS.
        id = unsafe { sys::rte_eth_find_next(id) };
        if u32::from(id) >= sys::RTE_MAX_ETHPORTS {
            return names;
        }
        names.extend(name_of(id));
        id += 1;
    }
}

fn name_of(id: u16) -> Option<String> {
    const LENGTH: usize = sys::RTE_ETH_NAME_MAX_LEN as usize;
    let mut buffer: [c_char; LENGTH] = [0; LENGTH];
    // SAFETY: the buffer has the length that DPDK's manual asks for.
    let code = unsafe { sys::rte_eth_dev_get_name_by_port(id, buffer.as_mut_ptr()) };
    check(code).ok()?;
    Some(text(&buffer))
}

/// The text in a C array, up to its NUL.
pub(super) fn text(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer
        .iter()
        .map(|&c| c as u8)
        .take_while(|&c| c != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn static_text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null; drivers' names are string literals.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

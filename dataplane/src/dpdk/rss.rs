//! Receive-side scaling as the NIC really does it: read back after the start, so that what is computed from
//! it (which queue a reply will arrive on) is true.

use dpdk_sys as sys;

use super::device::Device;
use super::port_error::PortError;
use super::port_setup::{Capabilities, RssRequest};

/// Bytes of the longest key that DPDK can express.
const LONGEST_KEY: usize = u8::MAX as usize;

const GROUP: usize = sys::RTE_ETH_RETA_GROUP_SIZE as usize;

/// How a port spreads packets over its receive queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rss {
    /// The packet kinds that are hashed (`RTE_ETH_RSS_*` bits).
    pub functions: u64,
    /// The Toeplitz key in use; empty if the driver does not show it.
    pub key: Vec<u8>,
    /// The queue for each value of `hash % redirection.len()`; empty if the driver does not show it.
    pub redirection: Vec<u16>,
}

impl Rss {
    /// Spreads the redirection table evenly over `queues`, then reads everything back.
    pub(super) fn activate(
        device: &Device,
        can: &Capabilities,
        wanted: &RssRequest,
        queues: u16,
    ) -> Result<Self, PortError> {
        let even: Vec<u16> = (0..can.redirection_size)
            .map(|entry| entry % queues)
            .collect();
        write_redirection(device, &even)?;
        let mut hash = read_hash(device, can, wanted);
        if hash.as_ref().map(|(_, key)| key) != wanted.key.as_ref() {
            write_hash(device, wanted)?;
            hash = read_hash(device, can, wanted);
        }
        let (functions, key) = hash.unwrap_or((wanted.functions, Vec::new()));
        Ok(Self {
            functions,
            key,
            redirection: read_redirection(device, can.redirection_size),
        })
    }
}

/// A driver without a table of its own choosing keeps its default.
fn write_redirection(device: &Device, table: &[u16]) -> Result<(), PortError> {
    if table.is_empty() {
        return Ok(());
    }
    let mut groups = to_groups(table);
    // SAFETY: started device of ours; the groups cover `table.len()` entries.
    let code = unsafe {
        sys::rte_eth_dev_rss_reta_update(device.id(), groups.as_mut_ptr(), table.len() as u16)
    };
    device.optional_step("set the RSS redirection table", code)
}

fn read_redirection(device: &Device, size: u16) -> Vec<u16> {
    if size == 0 {
        return Vec::new();
    }
    let mut groups = to_groups(&vec![0; usize::from(size)]);
    // SAFETY: started device of ours; the groups cover `size` entries.
    let code = unsafe { sys::rte_eth_dev_rss_reta_query(device.id(), groups.as_mut_ptr(), size) };
    if code < 0 {
        return Vec::new();
    }
    from_groups(&groups, usize::from(size))
}

/// Sets the wanted key again, for drivers that overlook it when the port is configured. Those that cannot keep theirs,
/// which is what is read back.
fn write_hash(device: &Device, wanted: &RssRequest) -> Result<(), PortError> {
    let Some(mut key) = wanted.key.clone() else {
        return Ok(());
    };
    let mut config = sys::rte_eth_rss_conf {
        rss_key: key.as_mut_ptr(),
        rss_key_len: key.len() as u8, // `fit_key` made it as long as the NIC's, or it was refused
        rss_hf: wanted.functions,
    };
    // SAFETY: started device of ours; the key outlives the call, which copies it.
    let code = unsafe { sys::rte_eth_dev_rss_hash_update(device.id(), &raw mut config) };
    device.optional_step("set the RSS key", code)
}

/// The packet kinds and the key in use. The buffer has room for any key, because there are drivers (`net_null`) that
/// write one although they say that they have none; the length is then that of the key we gave.
fn read_hash(device: &Device, can: &Capabilities, wanted: &RssRequest) -> Option<(u64, Vec<u8>)> {
    let mut key = vec![0; LONGEST_KEY];
    let mut config = sys::rte_eth_rss_conf {
        rss_key: key.as_mut_ptr(),
        rss_key_len: LONGEST_KEY as u8,
        rss_hf: 0,
    };
    // SAFETY: started device of ours; no driver can mean a key longer than the buffer, as lengths are a `u8`.
    let code = unsafe { sys::rte_eth_dev_rss_hash_conf_get(device.id(), &raw mut config) };
    if code < 0 {
        return None;
    }
    let ours = wanted.key.as_ref().map_or(0, Vec::len);
    key.truncate(match usize::from(can.rss_key_size) {
        0 => ours,
        size => size,
    });
    Some((config.rss_hf, key))
}

/// DPDK's form of the table: groups of 64, each with a mask of the entries that count.
fn to_groups(table: &[u16]) -> Vec<sys::rte_eth_rss_reta_entry64> {
    let group = |entries: &[u16]| {
        let mut group = sys::rte_eth_rss_reta_entry64::default();
        group.reta[..entries.len()].copy_from_slice(entries);
        group.mask = u64::MAX >> (GROUP - entries.len());
        group
    };
    table.chunks(GROUP).map(group).collect()
}

fn from_groups(groups: &[sys::rte_eth_rss_reta_entry64], size: usize) -> Vec<u16> {
    let entries = groups.iter().flat_map(|group| group.reta);
    entries.take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_back() {
        for size in [1, 63, 64, 65, 128, 512] {
            let table: Vec<u16> = (0..size).map(|entry| entry % 3).collect();
            let groups = to_groups(&table);
            assert_eq!(groups.len(), usize::from(size).div_ceil(64));
            assert_eq!(from_groups(&groups, table.len()), table);
            let masked: u32 = groups.iter().map(|group| group.mask.count_ones()).sum();
            assert_eq!(masked, u32::from(size));
        }
    }
}

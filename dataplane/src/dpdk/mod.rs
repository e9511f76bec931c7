//! Safe wrappers of DPDK.

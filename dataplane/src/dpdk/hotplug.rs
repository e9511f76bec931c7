//! Virtual devices that are made while EAL runs, because what they are made of is known only then.

use std::ffi::CString;

use dpdk_sys as sys;

use super::eal::Eal;
use super::errno::check;
use super::log;
use super::port_error::PortError;

/// Makes the virtual device `device` with these arguments (`key=value,…`). `port` is for errors.
pub(super) fn make(_: &Eal, port: &str, device: &str, arguments: &str) -> Result<(), PortError> {
    let text = |text: &str| {
        CString::new(text).map_err(|source| PortError::Name {
            port: port.to_owned(),
            source,
        })
    };
    let (name, given) = (text(device)?, text(arguments)?);
    let (code, log) = log::collect(|| {
        // SAFETY: EAL is up, as the handle shows; three NUL-terminated strings, which the call copies.
        unsafe { sys::rte_eal_hotplug_add(c"vdev".as_ptr(), name.as_ptr(), given.as_ptr()) }
    });
    check(code)
        .map(drop)
        .map_err(|_| PortError::not_made(port, device, &log))
}

//! The kernel's interface behind a virtual device (TAP, AF_XDP, AF_PACKET).
//!
//! These drivers either say that their link is up whatever the interface does, or cannot set an MTU above Ethernet's
//! usual; the kernel knows and can. Only asked by the control thread; never touches an interface that is not a port's.

use std::ffi::CStr;
use std::fmt;
use std::io;

use libc::{c_char, c_int, c_ulong};

/// Why no frame passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// The kernel's interface has been set down.
    SetDown,
    /// The interface is up, but its other end, cable or switch is not.
    NoCarrier,
    /// The interface has been removed, or moved to another network namespace.
    Gone,
    /// The driver says no more than that it is down.
    Down,
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SetDown => "the interface is set down",
            Self::NoCarrier => "no carrier: its other end is down",
            Self::Gone => "the interface is gone",
            Self::Down => "the driver has no link",
        })
    }
}

/// One interface by the index that the driver gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KernelInterface(u32);

impl KernelInterface {
    /// `None` for index 0: a device without one.
    pub(super) const fn new(index: u32) -> Option<Self> {
        match index {
            0 => None,
            index => Some(Self(index)),
        }
    }

    /// What keeps frames from passing, if anything does.
    pub(super) fn fault(self) -> Option<LinkFault> {
        let Ok(request) = self.ask(libc::SIOCGIFFLAGS) else {
            return Some(LinkFault::Gone);
        };
        // SAFETY: the kernel has filled in the flags.
        fault_of(c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
    }

    /// Sets the interface's MTU.
    pub(super) fn set_mtu(self, mtu: u16) -> io::Result<()> {
        let mut request = self.request()?;
        request.ifr_ifru.ifru_mtu = c_int::from(mtu);
        control(libc::SIOCSIFMTU, &mut request)
    }

    fn ask(self, operation: c_ulong) -> io::Result<libc::ifreq> {
        let mut request = self.request()?;
        control(operation, &mut request)?;
        Ok(request)
    }

    /// A request with the interface's present name.
    fn request(self) -> io::Result<libc::ifreq> {
        // SAFETY: all fields of the structure are valid as zeros.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let name: *mut c_char = request.ifr_name.as_mut_ptr();
        // SAFETY: the name has IF_NAMESIZE bytes, as the function asks for.
        if unsafe { libc::if_indextoname(self.0, name) }.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(request)
    }
}

/// Bytes of a page of ordinary memory.
pub(super) fn page_size() -> u32 {
    // SAFETY: reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u32::try_from(size).unwrap_or(4096)
}

/// The name of the interface with this index, for messages.
pub(super) fn name(interface: KernelInterface) -> Option<String> {
    let request = interface.request().ok()?;
    // SAFETY: filled in by `if_indextoname`, with a NUL.
    let text = unsafe { CStr::from_ptr(request.ifr_name.as_ptr()) };
    Some(text.to_string_lossy().into_owned())
}

const fn fault_of(flags: c_int) -> Option<LinkFault> {
    if flags & libc::IFF_UP == 0 {
        Some(LinkFault::SetDown)
    } else if flags & libc::IFF_RUNNING == 0 {
        Some(LinkFault::NoCarrier)
    } else {
        None
    }
}

/// One request over a socket that exists for it.
fn control(operation: c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: no pointers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: an open socket and a valid request, which the kernel reads and writes during the call only.
    let code = unsafe { libc::ioctl(socket, operation, &raw mut *request) };
    let error = io::Error::last_os_error();
    // SAFETY: opened above, and used by nobody else.
    unsafe { libc::close(socket) };
    if code < 0 { Err(error) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_say_what_is_wrong() {
        assert_eq!(fault_of(0), Some(LinkFault::SetDown));
        assert_eq!(fault_of(libc::IFF_RUNNING), Some(LinkFault::SetDown));
        assert_eq!(fault_of(libc::IFF_UP), Some(LinkFault::NoCarrier));
        assert_eq!(fault_of(libc::IFF_UP | libc::IFF_RUNNING), None);
    }

    #[test]
    fn an_index_that_nobody_has_is_gone() {
        assert_eq!(KernelInterface::new(0), None);
        let nobody = KernelInterface::new(u32::MAX).expect("not zero");
        assert_eq!(nobody.fault(), Some(LinkFault::Gone));
        assert_eq!(name(nobody), None);
        nobody.set_mtu(1500).expect_err("nothing to set");
    }
}

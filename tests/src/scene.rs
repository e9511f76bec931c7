//! The stage of scenarios whose services come from a file: a fabric, the file, a ready Viaduct.

use std::net::SocketAddr;

use crate::addressing::Family;
use crate::fabric::Fabric;
use crate::services::{Entry, Services};
use crate::settings::Settings;
use crate::viaduct::Viaduct;

/// Everything is ended in the order of the fields.
#[derive(Debug)]
pub struct Scene {
    /// The running Viaduct.
    pub viaduct: Viaduct,
    /// Its services.
    pub services: Services,
    /// The network.
    pub fabric: Fabric,
}

impl Scene {
    /// Starts Viaduct with these services, in the families of the fabric.
    #[must_use]
    pub fn new(fabric: Fabric, entries: &[Entry]) -> Self {
        Self::with(fabric, entries, |settings| settings)
    }

    /// The same with changed settings.
    #[must_use]
    pub fn with(
        fabric: Fabric,
        entries: &[Entry],
        change: impl FnOnce(Settings) -> Settings,
    ) -> Self {
        let services = Services::write(&fabric, entries);
        let mut settings = Settings::default().file(services.path());
        if fabric.families().contains(&Family::V6) {
            settings = settings.dual_stack();
        }
        let viaduct = Viaduct::start(&fabric, change(settings));
        Self {
            viaduct,
            services,
            fabric,
        }
    }

    /// Waits until the service has so many backends; see [`Viaduct::wait_for_service`].
    pub fn wait(&self, at: SocketAddr, protocol: &str, backends: usize) {
        self.viaduct.wait_for_service(at, protocol, backends);
    }
}

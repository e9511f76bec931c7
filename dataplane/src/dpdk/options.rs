//! EAL's command line from typed options.
//!
//! Two shapes work with DPDK 22.11 (see `README.md`): without hugepages `--no-huge` with a file
//! prefix of its own, with hugepages `--in-memory`. Both leave no files behind.

/// Where DPDK's memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Hugepages: what a NIC needs, and fewer TLB misses.
    Hugepages {
        /// Size in MiB.
        mib: u32,
    },
    /// Ordinary anonymous memory: test mode, TAP and other virtual devices.
    Anonymous {
        /// Size in MiB.
        mib: u32,
    },
}

/// How EAL starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EalOptions {
    /// Names EAL's runtime directory; unique among the DPDK processes of the host.
    pub file_prefix: String,
    /// CPU of the main thread and of EAL's helper threads: the control core.
    pub main_core: u32,
    /// DPDK's memory.
    pub memory: Memory,
    /// Virtual devices, as `net_tap0,iface=dtap0`.
    pub vdevs: Vec<String>,
    /// PCI addresses to take, as `0000:01:00.0`; with none, PCI is not even looked at.
    pub pci: Vec<String>,
    /// Arguments after all others, from the operator.
    pub extra: Vec<String>,
}

impl EalOptions {
    /// EAL's arguments, without the program's name.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = self.common_arguments();
        arguments.extend(self.memory_arguments());
        arguments.extend(self.device_arguments());
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    /// One logical core, bound to the control core: workers are threads of our own, which register
    /// themselves. The mapping (`0@CPU`) also serves CPU numbers above DPDK's RTE_MAX_LCORE.
    fn common_arguments(&self) -> Vec<String> {
        vec![
            format!("--lcores=0@{}", self.main_core),
            format!("--file-prefix={}", self.file_prefix),
            "--no-telemetry".into(),
            "--log-level=warning".into(),
        ]
    }

    fn memory_arguments(&self) -> Vec<String> {
        let (mib, mode): (u32, &[&str]) = match self.memory {
            Memory::Hugepages { mib } => (mib, &["--in-memory"]),
            Memory::Anonymous { mib } => (mib, &["--no-huge", "--no-shconf", "--iova-mode=va"]),
        };
        let mode = mode.iter().map(ToString::to_string);
        mode.chain(["-m".into(), mib.to_string()]).collect()
    }

    fn device_arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = Vec::new();
        if self.pci.is_empty() {
            arguments.push("--no-pci".into());
        }
        for address in &self.pci {
            arguments.extend(["-a".into(), address.clone()]);
        }
        arguments.extend(self.vdevs.iter().map(|device| format!("--vdev={device}")));
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(memory: Memory) -> EalOptions {
        EalOptions {
            file_prefix: "viaduct-7".into(),
            main_core: 3,
            memory,
            vdevs: Vec::new(),
            pci: Vec::new(),
            extra: Vec::new(),
        }
    }

    #[test]
    fn without_hugepages() {
        let mut options = options(Memory::Anonymous { mib: 512 });
        options.vdevs = vec!["net_tap0,iface=dtap0".into(), "net_null0".into()];
        assert_eq!(
            options.arguments().join(" "),
            "--lcores=0@3 --file-prefix=viaduct-7 --no-telemetry --log-level=warning \
             --no-huge --no-shconf --iova-mode=va -m 512 \
             --no-pci --vdev=net_tap0,iface=dtap0 --vdev=net_null0"
        );
    }

    #[test]
    fn with_hugepages_and_two_nics() {
        let mut options = options(Memory::Hugepages { mib: 2048 });
        options.pci = vec!["0000:01:00.0".into(), "0000:01:00.1".into()];
        assert_eq!(
            options.arguments().join(" "),
            "--lcores=0@3 --file-prefix=viaduct-7 --no-telemetry --log-level=warning \
             --in-memory -m 2048 -a 0000:01:00.0 -a 0000:01:00.1"
        );
    }

    #[test]
    fn the_operators_arguments_come_last() {
        let mut options = options(Memory::Anonymous { mib: 64 });
        options.extra = vec!["--log-level=pmd.net.tap:debug".into()];
        assert_eq!(
            options.arguments().last().map(String::as_str),
            Some("--log-level=pmd.net.tap:debug")
        );
    }

    #[test]
    fn no_huge_and_in_memory_never_meet() {
        for memory in [Memory::Anonymous { mib: 64 }, Memory::Hugepages { mib: 64 }] {
            let arguments = options(memory).arguments();
            let has = |name: &str| arguments.iter().any(|argument| argument == name);
            assert_ne!(has("--no-huge"), has("--in-memory"), "{memory:?}");
        }
    }
}

//! Which CPUs the machine has.

use std::io;

/// The kernel's list of CPUs that are in use, e.g. `0-3,8`.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// Why the CPUs are not known.
#[derive(Debug, thiserror::Error)]
pub enum CpusError {
    /// The kernel's list could not be read.
    #[error("cannot read this machine's CPUs from {ONLINE}: {0}; is /sys mounted?")]
    Unreadable(#[from] io::Error),
    /// The kernel's list is not one.
    #[error("{ONLINE} says `{0}`, which is not a list of CPUs")]
    Unknown(String),
}

/// The numbers of the CPUs that this machine has online, in order.
///
/// # Errors
/// If the kernel does not tell.
pub fn cpus() -> Result<Vec<usize>, CpusError> {
    let text = std::fs::read_to_string(ONLINE)?;
    parse(text.trim()).ok_or_else(|| CpusError::Unknown(text.trim().to_owned()))
}

fn parse(list: &str) -> Option<Vec<usize>> {
    let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
    Some(ranges?.into_iter().flatten().collect())
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<usize>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges_and_single_numbers() {
        assert_eq!(parse("0-3,8"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(parse("0"), Some(vec![0]));
        assert_eq!(parse(""), None);
        assert_eq!(parse("0-x"), None);
    }

    #[test]
    fn this_machine_has_a_cpu() {
        assert!(!cpus().expect("Linux").is_empty());
    }
}

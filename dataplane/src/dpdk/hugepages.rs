//! How much hugepage memory is free, to choose DPDK's memory before EAL starts.

use std::fs;
use std::path::Path;

/// Where the kernel lists hugepage sizes (Documentation/admin-guide/mm/hugetlbpage.rst).
const SYSFS: &str = "/sys/kernel/mm/hugepages";

/// Bytes in free hugepages of all sizes; 0 on a kernel without hugepages.
#[must_use]
pub fn free_bytes() -> u64 {
    free_bytes_in(Path::new(SYSFS))
}

/// The same for any directory with the layout of `/sys/kernel/mm/hugepages`:
/// `hugepages-<N>kB/free_hugepages`. What cannot be read or parsed counts nothing.
#[must_use]
pub fn free_bytes_in(root: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(root) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| free_in_size(&entry.path()))
        .fold(0, u64::saturating_add)
}

fn free_in_size(directory: &Path) -> Option<u64> {
    let kib = page_kib(directory.file_name()?.to_str()?)?;
    let free = fs::read_to_string(directory.join("free_hugepages")).ok()?;
    let pages: u64 = free.trim().parse().ok()?;
    kib.checked_mul(1024)?.checked_mul(pages)
}

/// `hugepages-2048kB` → 2048.
fn page_kib(name: &str) -> Option<u64> {
    name.strip_prefix("hugepages-")?
        .strip_suffix("kB")?
        .parse()
        .ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn add_size(root: &Path, name: &str, free: &str) {
        let directory = root.join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("free_hugepages"), free).unwrap();
    }

    #[test]
    fn sums_over_the_sizes() {
        let root = tempfile::tempdir().unwrap();
        add_size(root.path(), "hugepages-2048kB", "3\n");
        add_size(root.path(), "hugepages-1048576kB", "1\n");
        assert_eq!(free_bytes_in(root.path()), 3 * (2 << 20) + (1 << 30));
    }

    #[test]
    fn what_is_not_a_page_size_counts_nothing() {
        let root = tempfile::tempdir().unwrap();
        add_size(root.path(), "hugepages-2048kB", "not a number\n");
        add_size(root.path(), "something-else", "5\n");
        add_size(root.path(), "hugepages-64kB", "18446744073709551615\n");
        assert_eq!(free_bytes_in(root.path()), 0);
    }

    #[test]
    fn a_kernel_without_hugepages_has_none() {
        assert_eq!(free_bytes_in(Path::new("/nonexistent")), 0);
    }
}

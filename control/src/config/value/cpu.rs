//! Lists of CPUs, by the numbers that the kernel gives them: `[1, 2]`.

use serde::Deserialize;

use super::ValueError;

/// CPUs in the order in which they were listed; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<usize>")]
pub struct CpuList(Vec<usize>);

impl CpuList {
    /// The list of one CPU.
    #[must_use]
    pub fn one(cpu: usize) -> Self {
        Self(vec![cpu])
    }

    /// The CPUs.
    #[must_use]
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }

    /// Number of entries, at least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl TryFrom<Vec<usize>> for CpuList {
    type Error = ValueError;

    fn try_from(cpus: Vec<usize>) -> Result<Self, ValueError> {
        if cpus.is_empty() {
            return Err(ValueError::new(
                "the list of CPUs is empty",
                "at least one CPU, such as [1]",
            ));
        }
        Ok(Self(cpus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_refuses_nothing_at_all() {
        let list = CpuList::try_from(vec![3, 1]).expect("not empty");
        assert_eq!((list.as_slice(), list.count()), (&[3, 1][..], 2));
        CpuList::try_from(vec![]).expect_err("empty");
    }
}

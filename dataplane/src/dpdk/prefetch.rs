//! placeholder
/// placeholder
#[inline]
pub fn prefetch<T>(_: &T) {}

//! Asks for a cache line before it is needed. A hint: it reads nothing and cannot fault.

use std::ptr;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Starts to load the first cache line of `value` into all cache levels.
#[inline(always)]
pub fn prefetch_read<T: ?Sized>(value: &T) {
    prefetch(ptr::from_ref(value).cast());
}

/// Starts to load all cache lines of `value`.
#[inline(always)]
pub fn prefetch_whole<T>(value: &T) {
    let first: *const i8 = ptr::from_ref(value).cast();
    for line in 0..size_of::<T>().div_ceil(LINE) {
        prefetch(first.wrapping_add(line * LINE));
    }
}

/// Starts to load `slice[index]`; nothing if there is no such element.
#[inline(always)]
pub fn prefetch_slice_index<T>(slice: &[T], index: usize) {
    if let Some(value) = slice.get(index) {
        prefetch_read(value);
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch(address: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: SSE is part of x86-64; the instruction ignores addresses that cannot be read.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn prefetch(address: *const i8) {
    // SAFETY: PRFM ignores addresses that cannot be read, and changes neither memory, stack nor flags.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
fn prefetch(_address: *const i8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_place_is_fine() {
        prefetch_read(&7_u64);
        prefetch_read("");
        prefetch_whole(&[0_u8; 200]);
        prefetch_slice_index(&[1, 2, 3], 2);
        prefetch_slice_index(&[1, 2, 3], usize::MAX);
        prefetch_slice_index::<u8>(&[], 0);
    }
}

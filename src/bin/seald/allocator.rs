//! The allocator, set to keep the pages of freed tensors: faulting them in again cost 20-37 % of a training step.

/// mimalloc, in place of the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 and 3, which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Gives what is free back to the system now; from then on, freed memory stays again.
pub(crate) fn release() {
    // SAFETY: options that the allocator reads, and its own collection, which may be called at any time.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
        libmimalloc_sys::mi_collect(true);
        libmimalloc_sys::mi_option_set(PURGE_DELAY, -1);
    }
}

/// From now on, freed memory stays with the process. Called once, before anything large is allocated.
pub(crate) fn keep_pages() {
    // SAFETY: sets an option that the allocator reads; -1 is "never purge" by its documentation.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}

//! The allocator, set to keep the pages of freed tensors: faulting them in again cost 20-37 % of a training step.

/// mimalloc, in place of the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 and 3, which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// From now on, freed memory stays with the process for ten seconds, and goes then or with [`release`]: for a program that idles between
/// trainings. Within one, pages are used again after milliseconds.
pub(crate) fn lend_pages() {
    // SAFETY: sets an option that the allocator reads.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 10_000) };
}

/// Gives what is free back to the system now. Only after [`lend_pages`], and on the thread that the program began with: others leave
/// alone what ended threads left.
pub(crate) fn release() {
    // SAFETY: the allocator's own collection, which may be called at any time.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

/// From now on, freed memory stays with the process. Called once, before anything large is allocated.
pub(crate) fn keep_pages() {
    // SAFETY: sets an option that the allocator reads; -1 is "never purge" by its documentation.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}

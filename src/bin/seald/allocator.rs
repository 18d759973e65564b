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

/// Whether new memory may be huge pages, of 2 MiB. They are for models: the allocator asks for them everywhere, and the few megabytes in pieces that the daemon
/// holds beside a model took four times as much in them (51 MB in all in place of 34). So they are off from the first line of `main`, and on while a model is open.
pub(crate) fn allow_huge_pages(allow: bool) {
    let (disable, none): (libc::c_ulong, libc::c_ulong) = (u64::from(!allow), 0);
    // SAFETY: sets a flag of this process; where the system knows no such flag, nothing changes.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, disable, none, none, none) };
}

/// Gives what is free back to the system now. Only after [`lend_pages`], and on the thread that the program began with: others leave
/// alone what ended threads left.
pub(crate) fn release() {
    allow_huge_pages(false);
    // SAFETY: the allocator's own collection, which may be called at any time.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

/// From now on, freed memory stays with the process. Called once, before anything large is allocated.
pub(crate) fn keep_pages() {
    // SAFETY: sets an option that the allocator reads; -1 is "never purge" by its documentation.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}

//! What the C library does with memory that is given back.
//!
//! A server's pieces differ in age: segments are held for a minute, packets for a second, sessions as long as viewers stay.
//! From 128 KiB on glibc maps pieces of their own, which go back to the system whole. But each of those that is freed moves
//! that limit up to its own size (mallopt(3), `M_MMAP_THRESHOLD`), to 32 MiB: from the first segment on they lie in the heap
//! between what is short-lived, and the holes stay. With 26 MB in use, the heap of a server whose streams come and go grew to
//! twice that within minutes.

/// Keeps that limit where it begins. To be called before there are threads.
pub(super) fn keep_large_pieces_apart() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes two numbers, and no other thread allocates meanwhile.
    unsafe {
        // Who sets it ends its moving, and that of the size from which a heap's end is given back.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
    }
}

//! f32 matrix products over strided views, by the `gemm` crate (AVX-512, AVX2, NEON or plain).

/// A read-only matrix in memory that somebody else keeps alive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    at: *const f32,
    row_stride: usize,
    column_stride: usize,
}

impl View {
    /// Rows of contiguous elements, `stride` apart, from the start of `data`.
    pub(crate) fn rows(data: &[f32], stride: usize) -> Self {
        Self { at: data.as_ptr(), row_stride: stride, column_stride: 1 }
    }

    /// The same matrix with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    /// The matrix below its first `rows` rows.
    pub(crate) fn below(self, rows: usize) -> Self {
        Self { at: self.at.wrapping_add(rows * self.row_stride), ..self }
    }
}

/// `c = alpha a b` or, with `add`, `c += alpha a b`, on the calling thread. Dimensions are (m, n, k) for
/// c (m, n), a (m, k), b (k, n); `c` is (pointer, row stride).
///
/// # Safety
/// The matrices must lie within live memory, and nobody else may use `c`'s elements meanwhile.
pub(crate) unsafe fn sgemm(
    dimensions: (usize, usize, usize),
    alpha: f32,
    a: View,
    b: View,
    add: bool,
    c: (*mut f32, usize),
) {
    // SAFETY: by the contract above.
    unsafe { sgemm_on(gemm::Parallelism::None, dimensions, alpha, a, b, add, c) }
}

/// [`sgemm`] on all threads of the current pool.
///
/// # Safety
/// As [`sgemm`].
pub(crate) unsafe fn sgemm_parallel(
    dimensions: (usize, usize, usize),
    alpha: f32,
    a: View,
    b: View,
    add: bool,
    c: (*mut f32, usize),
) {
    let threads = match rayon::current_num_threads() {
        1 => gemm::Parallelism::None,
        n => gemm::Parallelism::Rayon(n),
    };
    // SAFETY: by the contract above.
    unsafe { sgemm_on(threads, dimensions, alpha, a, b, add, c) }
}

unsafe fn sgemm_on(
    threads: gemm::Parallelism,
    (m, n, k): (usize, usize, usize),
    alpha: f32,
    a: View,
    b: View,
    add: bool,
    (c, c_stride): (*mut f32, usize),
) {
    // SAFETY: the callers' contract is gemm's.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c,
            1,
            c_stride as isize,
            add,
            a.at,
            a.column_stride as isize,
            a.row_stride as isize,
            b.at,
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            alpha,
            false,
            false,
            false,
            threads,
        );
    }
}

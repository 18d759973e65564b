//! How the AVX-512 tiles use the 32 registers: 14 rows of two sums each in zmm0 to zmm27, operands in the rest.

/// Calls `$define!(name height [rows])` for heights 1 to 14. A row is (its index, the names of its two sums, their
/// registers), written out because assembly takes registers by literal name.
macro_rules! for_each_height {
    ($define:ident) => {
        for_each_height!(@ $define []
            rows_1 1 (0 l0 h0 "zmm0" "zmm1")
            rows_2 2 (1 l1 h1 "zmm2" "zmm3")
            rows_3 3 (2 l2 h2 "zmm4" "zmm5")
            rows_4 4 (3 l3 h3 "zmm6" "zmm7")
            rows_5 5 (4 l4 h4 "zmm8" "zmm9")
            rows_6 6 (5 l5 h5 "zmm10" "zmm11")
            rows_7 7 (6 l6 h6 "zmm12" "zmm13")
            rows_8 8 (7 l7 h7 "zmm14" "zmm15")
            rows_9 9 (8 l8 h8 "zmm16" "zmm17")
            rows_10 10 (9 l9 h9 "zmm18" "zmm19")
            rows_11 11 (10 l10 h10 "zmm20" "zmm21")
            rows_12 12 (11 l11 h11 "zmm22" "zmm23")
            rows_13 13 (12 l12 h12 "zmm24" "zmm25")
            rows_14 14 (13 l13 h13 "zmm26" "zmm27")
        );
    };
    (@ $define:ident [$($above:tt)*]) => {};
    (@ $define:ident [$($above:tt)*] $name:ident $m:literal $row:tt $($rest:tt)*) => {
        $define!($name $m [$($above)* $row]);
        for_each_height!(@ $define [$($above)* $row] $($rest)*);
    };
}
pub(in crate::kernels) use for_each_height;

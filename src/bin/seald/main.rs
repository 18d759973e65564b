//! seald
fn main() {}

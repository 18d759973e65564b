//! `seald once`: what a person sees of it. Live progress, then a table, then the forgetting matrix.

mod heatmap;
mod live;
mod live_lines;
mod live_view;
mod look;
#[cfg(test)]
mod preview;
mod table;

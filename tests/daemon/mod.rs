//! A real daemon on a temporary root, over its real socket, with real signals; `sd_notify` goes to a socket of the test's own.

mod bases;
mod chat;
mod clock;
mod damage;
mod export;
mod full_disk;
mod host;
mod inbox;
mod killed;
mod lifecycle;
mod overnight;
mod pushes;
mod requests;
mod restore;
mod schemas;

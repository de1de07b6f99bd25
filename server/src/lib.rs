//! The server: axum, SQLite and the drivers around what `domain` decides.
//!
//! `router` is the only list of routes; `ops` the one handle that everything gets; each area has its folder with its
//! `store` (all of its SQL). It deliberately decides nothing that can be decided without I/O.

pub mod admin;
pub mod agents;
pub mod auth;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod datadir;
pub mod db;
pub mod demo;
pub mod enroll;
pub mod error;
pub mod events;
pub mod fleet;
pub mod health;
pub mod ops;
pub mod people;
pub mod random;
pub mod router;
pub mod series;
pub mod serve;
pub mod tls;
pub mod topology;
pub mod web;
